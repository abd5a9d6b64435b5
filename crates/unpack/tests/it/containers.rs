use unpack::{Coverage, Origin};

use crate::support::{EICAR, Seen, gzip, noise, zip};

#[test]
fn the_members_of_a_gzip_stream_are_one_file() {
    let (head, tail) = EICAR.split_at(20);
    let seen = Seen::of("a.gz", &[gzip(head), gzip(tail)].concat());
    let content = seen.artifact("1.2/1");
    assert_eq!(
        (content.origin, content.coverage),
        (Origin::Decompressed, Coverage::Full)
    );
    assert_eq!(seen.bytes("1.2/1"), EICAR);
}

#[test]
fn a_truncated_gzip_is_damaged_and_keeps_what_came_before() {
    let content = noise(100_000);
    let bytes = gzip(&content);
    let seen = Seen::of("a.gz", &bytes[..bytes.len() / 2]);
    assert_eq!(seen.artifact("1.2/1").coverage, Coverage::Damaged, "{seen}");
    let kept = seen.bytes("1.2/1");
    assert!(
        kept.len() > 30_000 && content.starts_with(kept),
        "{} bytes kept",
        kept.len()
    );
}

#[test]
fn junk_after_a_gzip_stream_does_not_cost_the_content() {
    let seen = Seen::of("a.gz", &[gzip(EICAR), b"junk".to_vec()].concat());
    assert_eq!(seen.bytes("1.2/1"), EICAR);
}

#[test]
fn archives_that_are_not_opened_say_so() {
    for (bytes, file_type) in [
        (b"Rar!\x1a\x07\x01\0 more".to_vec(), "rar"),
        (b"7z\xbc\xaf\x27\x1c\0\x04 more".to_vec(), "7z"),
        (b"MSCF\0\0\0\0 more".to_vec(), "cab"),
        (
            [vec![b'x'; 257], b"ustar\0".to_vec(), vec![0; 300]].concat(),
            "tar",
        ),
        ([vec![0; 0x8001], b"CD001".to_vec()].concat(), "iso"),
        (b"%PDF-1.7 and streams".to_vec(), "pdf"),
    ] {
        let seen = Seen::of("a.bin", &bytes);
        let artifact = seen.artifact("1.2");
        assert_eq!(
            (artifact.file_type.name(), artifact.coverage),
            (file_type, Coverage::Unsupported)
        );
    }
}

#[test]
fn what_is_encrypted_says_so() {
    let mut office = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    office.resize(600, 0);
    office.extend(
        "EncryptedPackage\0"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    for bytes in [
        office.as_slice(),
        b"%PDF-1.4\ntrailer << /Encrypt 5 0 R >>",
        b"Rar!\x1a\x07\0\0\0\x73\x80\0",
    ] {
        let seen = Seen::of("a.bin", bytes);
        let artifact = seen.artifact("1.2");
        assert_eq!(
            (artifact.coverage, artifact.encrypted),
            (Coverage::Encrypted, true),
            "{seen}"
        );
    }
}

#[test]
fn what_has_nothing_inside_is_full() {
    for bytes in [
        b"just text".as_slice(),
        b"\x89PNG\r\n\x1a\n",
        b"MZ\0\0",
        b"",
        b"\0\x01\x02",
    ] {
        let seen = Seen::of("a.bin", bytes);
        assert_eq!(
            (
                seen.artifact("1.2").coverage,
                seen.artifact("1.2").detail.as_deref()
            ),
            (Coverage::Full, None)
        );
    }
}

#[test]
fn content_of_data_urls_is_an_artifact() {
    let html = format!(
        "<iframe src='data:application/zip;base64,{}'>",
        String::from_utf8(crate::support::base64(&zip(&[("e", EICAR)]))).unwrap()
    );
    let seen = Seen::of("a.html", html.as_bytes());
    let inner = seen.artifact("1.2/1");
    assert_eq!(
        (
            inner.origin,
            inner.declared_type.as_deref(),
            inner.file_type.name()
        ),
        (Origin::DataUrl, Some("application/zip"), "zip")
    );
    assert!(seen.has(EICAR), "{seen}");
}

#[test]
fn attached_html_has_features_and_references_but_is_no_body() {
    let seen = Seen::of(
        "login.html",
        b"<html><form action='https://evil.example/'><input type=password>Log in",
    );
    let features = seen.artifact("1.2").html.as_deref().expect("HTML");
    assert_eq!((features.forms, features.password_inputs), (1, 1));
    assert_eq!(seen.unpacked.html.forms, 0);
    assert_eq!(seen.unpacked.references[0].raw, "https://evil.example/");
    assert_eq!(seen.unpacked.text, "See attached.");
}

#[test]
fn hashes_are_those_of_the_content() {
    let seen = Seen::of("a.gz", &gzip(b"abc"));
    assert_eq!(
        seen.artifact("1.2/1").sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn serialised_artifacts_use_the_words_of_the_output() {
    let seen = Seen::of("a.rar", b"Rar!\x1a\x07\x01\0");
    let artifact = seen.artifact("1.2");
    assert_eq!(artifact.coverage.to_string(), "unsupported");
    assert_eq!(
        (
            artifact.origin.to_string().as_str(),
            artifact.file_type.group().name()
        ),
        ("part", "archive")
    );
}
