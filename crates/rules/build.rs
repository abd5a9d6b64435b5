//! Generates the Rust side of the schema that rules see. Pure Rust: no `protoc` is needed.

fn main() {
    println!("cargo:rerun-if-changed=proto/mail.proto");
    protobuf_codegen::Codegen::new()
        .pure()
        .include("proto")
        .input("proto/mail.proto")
        .cargo_out_dir("proto")
        .run_from_script();
}
