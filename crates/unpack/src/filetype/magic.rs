//! Types that bytes at fixed places give away.

use memchr::memmem;

use super::FileType;
use crate::formats::zip;

/// A PDF reader looks for the header this far into a file.
const PDF_HEADER_WITHIN: usize = 1024;

/// The object identifier of PKCS #7 content follows the outermost header.
const OBJECT_IDENTIFIER_WITHIN: usize = 32;
/// 1.2.840.113549.1.7.3, enveloped data.
const ENVELOPED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
/// 1.2.840.113549.1.9.16.1.23, authenticated enveloped data.
const AUTH_ENVELOPED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17";

/// Magic at the very beginning. The longest comes first where one is the beginning of another.
const PREFIXES: &[(&[u8], FileType)] = &[
    (b"PK\x03\x04", FileType::Zip),
    (b"PK\x05\x06", FileType::Zip),
    (b"PK\x07\x08PK\x03\x04", FileType::Zip),
    (b"PK00PK\x03\x04", FileType::Zip),
    (b"\x1f\x8b", FileType::Gzip),
    (b"BZh", FileType::Bzip2),
    (b"\xfd7zXZ\0", FileType::Xz),
    (b"\x28\xb5\x2f\xfd", FileType::Zstd),
    (b"\x04\x22\x4d\x18", FileType::Lz4),
    (b"LZIP", FileType::Lzip),
    (b"\x1f\x9d", FileType::Z),
    (b"\x1f\xa0", FileType::Z),
    (b"7z\xbc\xaf\x27\x1c", FileType::SevenZip),
    (b"Rar!\x1a\x07", FileType::Rar),
    (b"RE~^", FileType::Rar),
    (b"MSCF\0\0\0\0", FileType::Cab),
    (b"\x60\xea", FileType::Arj),
    (b"!<arch>\n", FileType::Ar),
    (b"\xed\xab\xee\xdb", FileType::Rpm),
    (b"070701", FileType::Cpio),
    (b"070702", FileType::Cpio),
    (b"070707", FileType::Cpio),
    (b"\xc7\x71", FileType::Cpio),
    (b"\x78\x9f\x3e\x22", FileType::Tnef),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType::Ole),
    (b"{\\rt", FileType::Rtf),
    (
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",
        FileType::OneNote,
    ),
    (
        b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f",
        FileType::OneNote,
    ),
    (
        b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46",
        FileType::Lnk,
    ),
    (b"ITSF", FileType::Chm),
    (b"\x7fELF", FileType::Elf),
    (b"\xfe\xed\xfa\xce", FileType::MachO),
    (b"\xfe\xed\xfa\xcf", FileType::MachO),
    (b"\xce\xfa\xed\xfe", FileType::MachO),
    (b"\xcf\xfa\xed\xfe", FileType::MachO),
    (b"dex\n03", FileType::Dex),
    (b"\0asm", FileType::Wasm),
    (b"FWS", FileType::Swf),
    (b"CWS", FileType::Swf),
    (b"ZWS", FileType::Swf),
    (b"\x89PNG\r\n\x1a\n", FileType::Png),
    (b"\xff\xd8\xff", FileType::Jpeg),
    (b"GIF87a", FileType::Gif),
    (b"GIF89a", FileType::Gif),
    (b"II*\0", FileType::Tiff),
    (b"MM\0*", FileType::Tiff),
    (b"8BPS\0\x01", FileType::Psd),
    (b"\xd7\xcd\xc6\x9a", FileType::Wmf),
    (b"\x01\0\x09\0\0\x03", FileType::Wmf),
    (b"!BDN", FileType::Pst),
    (b"vhdxfile", FileType::Vhdx),
    (b"conectix", FileType::Vhd),
    (b"KDMV", FileType::Vmdk),
    (b"# Disk DescriptorFile", FileType::Vmdk),
    (b"MSWIM\0\0\0", FileType::Wim),
    (b"SQLite format 3\0", FileType::Sqlite),
    (b"ID3", FileType::Media),
    (b"OggS", FileType::Media),
    (b"fLaC", FileType::Media),
    (b"\x1a\x45\xdf\xa3", FileType::Media),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileType::Media),
    (b"\0\x01\0\0\0", FileType::Font),
    (b"OTTO\0", FileType::Font),
    (b"wOFF", FileType::Font),
    (b"wOF2", FileType::Font),
    (b"-----BEGIN PGP MESSAGE", FileType::Pgp),
    (b"-----BEGIN PKCS7", FileType::Pkcs7),
    (b"-----BEGIN CERTIFICATE", FileType::Signature),
    (b"#@~^", FileType::EncodedScript),
];

/// Magic at other fixed places.
const AT: &[(usize, &[u8], FileType)] = &[
    (257, b"ustar", FileType::Tar),
    (7, b"**ACE**", FileType::Ace),
    (20, b"\xdc\xa7\xc4\xfd", FileType::Zoo),
    (40, b" EMF", FileType::Emf),
    // The volume descriptors of ISO 9660 and UDF, in the first three sectors after the system area.
    (0x8001, b"CD001", FileType::Iso),
    (0x8801, b"CD001", FileType::Iso),
    (0x9001, b"CD001", FileType::Iso),
    (0x8001, b"BEA01", FileType::Iso),
    (0x8801, b"NSR0", FileType::Iso),
];

pub(super) fn detect(bytes: &[u8]) -> Option<FileType> {
    if bytes.starts_with(b"MZ") || bytes.starts_with(b"ZM") {
        return Some(mz_kind(bytes));
    }
    let prefix = PREFIXES
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map(|&(_, found)| found);
    if let Some(found) = prefix {
        return Some(found);
    }
    let at = AT
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    if let Some(&(_, _, found)) = at {
        return Some(found);
    }
    let head = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
    if memmem::find(head, b"%PDF-").is_some() {
        return Some(FileType::Pdf);
    }
    structured(bytes).or_else(|| trailing(bytes))
}

/// Magic with a structure around it.
fn structured(bytes: &[u8]) -> Option<FileType> {
    match bytes {
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some(FileType::Webp),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W' | b'A', ..] => Some(FileType::Media),
        [
            _,
            _,
            _,
            _,
            b'f',
            b't',
            b'y',
            b'p',
            b'h' | b'm' | b'a',
            b'e' | b'i' | b'v',
            b'i' | b'f',
            ..,
        ] => Some(FileType::Heif),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(FileType::Media),
        [_, _, b'-', b'l', b'h' | b'z', _, b'-', ..] => Some(FileType::Lha),
        // Class files and universal binaries share their magic; no universal binary has 40 architectures.
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, count, ..] if *count < 40 => Some(FileType::MachO),
        [0xca, 0xfe, 0xba, 0xbe, ..] => Some(FileType::Class),
        // A bitmap has two reserved words of zero; "BM" alone begins many a text.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(FileType::Bmp),
        [0, 0, 1 | 2, 0, count, 0, _, _, _, 0, ..] if *count > 0 => Some(FileType::Ico),
        [0x30, ..] => pkcs7_kind(bytes),
        _ => None,
    }
}

/// PKCS #7, which is CMS (RFC 5652), in DER or BER: a SEQUENCE that begins with an object identifier of it.
fn pkcs7_kind(bytes: &[u8]) -> Option<FileType> {
    /// 1.2.840.113549.1.7, to which the kind of content is appended.
    const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const SIGNED: u8 = 2;
    /// Version and digest algorithms stand before what is said about the content.
    const CONTENT_WITHIN: usize = 512;
    let head = bytes.get(..OBJECT_IDENTIFIER_WITHIN).unwrap_or(bytes);
    if memmem::find(head, AUTH_ENVELOPED).is_some() {
        return Some(FileType::Pkcs7);
    }
    let kind_at = memmem::find(head, PKCS7)? + PKCS7.len();
    let (kind, rest) = bytes.get(kind_at..)?.split_first()?;
    let rest = rest.get(..CONTENT_WITHIN).unwrap_or(rest);
    // A detached signature names the kind of content and has none; else it follows in a context tag.
    let content = memmem::find(rest, PKCS7).and_then(|at| rest.get(at + PKCS7.len() + 1));
    let detached = *kind == SIGNED && content != Some(&0xa0);
    Some(if detached {
        FileType::Signature
    } else {
        FileType::Pkcs7
    })
}

/// Magic at the end: readers of these formats look there first, whatever stands before.
fn trailing(bytes: &[u8]) -> Option<FileType> {
    let last_sector = bytes.get(bytes.len().checked_sub(512)?..)?;
    if last_sector.starts_with(b"koly") {
        return Some(FileType::Dmg);
    }
    if last_sector.starts_with(b"conectix") {
        return Some(FileType::Vhd);
    }
    zip::has_directory(bytes).then_some(FileType::Zip)
}

/// A Windows program has its header where the DOS header says.
fn mz_kind(bytes: &[u8]) -> FileType {
    let header = bytes
        .get(0x3c..0x40)
        .and_then(|field| field.try_into().ok())
        .and_then(|field| usize::try_from(u32::from_le_bytes(field)).ok())
        .and_then(|at| bytes.get(at..));
    match header {
        Some([b'P', b'E', 0, 0, ..] | [b'N' | b'L', b'E' | b'X', ..]) => FileType::Pe,
        _ => FileType::Mz,
    }
}

/// Whether PKCS #7 content is enveloped.
pub(super) fn pkcs7_is_encrypted(bytes: &[u8]) -> bool {
    let head = bytes.get(..OBJECT_IDENTIFIER_WITHIN).unwrap_or(bytes);
    [ENVELOPED, AUTH_ENVELOPED]
        .iter()
        .any(|kind| memmem::find(head, kind).is_some())
}

/// Whether the main header of a RAR archive says that all headers are encrypted.
pub(super) fn rar_is_encrypted(bytes: &[u8]) -> bool {
    match bytes {
        // RAR 5: CRC (4), size (1), then type 4, the archive encryption header.
        [b'R', b'a', b'r', b'!', 0x1a, 7, 1, 0, _, _, _, _, _, 4, ..] => true,
        // RAR 4: CRC (2), type 0x73, flags; 0x0080 is "block headers are encrypted".
        [b'R', b'a', b'r', b'!', 0x1a, 7, 0, _, _, 0x73, flags, ..] => flags & 0x80 != 0,
        _ => false,
    }
}
