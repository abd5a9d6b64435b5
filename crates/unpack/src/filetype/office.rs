//! What a zip or compound file is when it is more than that.

use memchr::memmem;

use super::FileType;

/// Header records of a zip that are looked at; the telling names stand among the first in practice, but
/// nothing makes them.
const MAX_ZIP_RECORDS: usize = 16 * 1024;

/// Types a zip by the names of its members, as they stand in local headers and in the directory.
pub(super) fn zip_kind(bytes: &[u8]) -> FileType {
    let mut seen = Seen::default();
    for (signature, name_length_at, name_at) in [(b"PK\x03\x04", 26, 30), (b"PK\x01\x02", 28, 46)] {
        for at in memmem::find_iter(bytes, signature).take(MAX_ZIP_RECORDS) {
            let Some(record) = bytes.get(at..) else { break };
            let Some(&[low, high]) = record.get(name_length_at..name_length_at + 2) else {
                break;
            };
            let length = usize::from(u16::from_le_bytes([low, high]));
            if let Some(name) = record.get(name_at..).and_then(|rest| rest.get(..length)) {
                seen.note(name, record.get(name_at + length..).unwrap_or_default());
            }
        }
    }
    seen.kind()
}

#[derive(Default)]
struct Seen {
    content_types: bool,
    kind: Option<FileType>,
    open_document: bool,
    android: bool,
    java: bool,
}

impl Seen {
    fn note(&mut self, name: &[u8], data: &[u8]) {
        let lower = name.to_ascii_lowercase();
        let name = lower.strip_prefix(b"/").unwrap_or(&lower);
        match name {
            b"[content_types].xml" => self.content_types = true,
            b"mimetype" => {
                self.open_document |= data.starts_with(b"application/vnd.oasis.opendocument")
            }
            b"androidmanifest.xml" | b"classes.dex" => self.android = true,
            b"meta-inf/manifest.mf" => self.java = true,
            b"xl/workbook.bin" => self.kind = Some(FileType::Xlsb),
            _ => {
                let kind = match name.split(|&byte| byte == b'/').next() {
                    Some(b"word") => FileType::Docx,
                    Some(b"xl") => FileType::Xlsx,
                    Some(b"ppt") => FileType::Pptx,
                    Some(b"visio") => FileType::Vsdx,
                    Some(b"fixeddocseq.fdseq") => FileType::Xps,
                    _ => return,
                };
                self.kind.get_or_insert(kind);
            }
        }
    }

    fn kind(self) -> FileType {
        match self.kind {
            Some(kind) if self.content_types => kind,
            _ if self.open_document => FileType::Odf,
            _ if self.android => FileType::Apk,
            _ if self.java => FileType::Jar,
            _ => FileType::Zip,
        }
    }
}

/// Names of streams (MS-CFB: UTF-16LE), and what a compound file with such a stream is. The first wins: a
/// mail or an installer may have Office documents inside.
const STREAMS: &[(&str, FileType)] = &[
    ("EncryptedPackage", FileType::OfficeEncrypted),
    ("__properties_version1.0", FileType::Msg),
    ("WordDocument", FileType::Doc),
    ("Workbook", FileType::Xls),
    ("PowerPoint Document", FileType::Ppt),
    ("Quill", FileType::Pub),
];

/// Identifier of the class of Windows Installer packages, {000C1084-0000-0000-C000-000000000046}.
const MSI_CLASS: &[u8] = b"\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0\x46";

/// Types a compound file by the names of its streams, wherever its directory is.
pub(super) fn ole_kind(bytes: &[u8]) -> FileType {
    for (name, kind) in STREAMS {
        // Names end in a NUL, so that `Workbook` does not match a longer one.
        let mut wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        wide.extend([0, 0]);
        if memmem::find(bytes, &wide).is_some() {
            return *kind;
        }
    }
    if memmem::find(bytes, b"B\0o\0o\0k\0\0\0").is_some() {
        return FileType::Xls;
    }
    if memmem::find(bytes, MSI_CLASS).is_some() {
        FileType::Msi
    } else {
        FileType::Ole
    }
}
