//! What content is, by the content. Names only ever refine what is text anyway: `.js` is a hint on text, and
//! says nothing about a program that is called so.

mod kinds;
mod magic;
mod office;
mod text;

pub use kinds::{FileType, Group};

/// Types content. `names` are the candidates for its file name.
pub fn detect(bytes: &[u8], names: &[String]) -> FileType {
    if bytes.is_empty() {
        return FileType::Empty;
    }
    match magic::detect(bytes) {
        Some(FileType::Zip) => office::zip_kind(bytes),
        Some(FileType::Ole) => office::ole_kind(bytes),
        Some(found) => found,
        None => text::detect(bytes, names).unwrap_or(FileType::Data),
    }
}

/// Whether the content says of itself that it is encrypted, for kinds where that is cheap to see.
pub(crate) fn is_encrypted(file_type: FileType, bytes: &[u8]) -> bool {
    match file_type {
        FileType::OfficeEncrypted | FileType::Pgp => true,
        FileType::Pdf => memchr::memmem::find(bytes, b"/Encrypt").is_some(),
        FileType::Pkcs7 => magic::pkcs7_is_encrypted(bytes),
        FileType::Rar => magic::rar_is_encrypted(bytes),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
