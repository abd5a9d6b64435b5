//! Mails to send. All lines end in CRLF, all are shorter than 998 octets, and nothing is missing that
//! an MTA would add: so what arrives can be compared octet for octet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A harmless mail with some of what goes wrong easily: folded fields, octets beyond ASCII, lines
/// that start with dots, trailing blanks.
pub(crate) fn clean(subject: &str) -> Vec<u8> {
    let text = "Dear colleague,\r\n\
        \r\n\
        the minutes of yesterday are in the usual place. Gr\u{fc}\u{df}e!\r\n\
        .\r\n\
        ..two dots, and blanks at the end:  \t \r\n\
        \r\n\
        --\u{20}\r\n\
        Alice\r\n";
    let mut mail = fields(subject);
    mail.push_str("Content-Type: text/plain; charset=utf-8;\r\n\tformat=flowed\r\n");
    mail.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
    mail.push_str(text);
    mail.into_bytes()
}

/// A mail with one attachment.
pub(crate) fn with_attachment(subject: &str, name: &str, content: &[u8]) -> Vec<u8> {
    let mut mail = fields(subject).into_bytes();
    mail.extend_from_slice(
        format!(
            "Content-Type: multipart/mixed; boundary=\"=_frontier\"\r\n\
             \r\n\
             --=_frontier\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n\
             As promised.\r\n\
             --=_frontier\r\n\
             Content-Type: application/octet-stream; name=\"{name}\"\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n"
        )
        .as_bytes(),
    );
    mail.extend_from_slice(base64_lines(content).as_bytes());
    mail.extend_from_slice(b"--=_frontier--\r\n");
    mail
}

/// A mail with the EICAR test file in a zip in a zip.
pub(crate) fn eicar_in_zip_in_zip(subject: &str) -> Vec<u8> {
    let inner = zip_of("eicar.com", eicar().as_bytes());
    with_attachment(subject, "invoice.zip", &zip_of("inner.zip", &inner))
}

/// The EICAR test file, put together here so that no virus scanner takes this source for it.
pub(crate) fn eicar() -> String {
    let halves = [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}",
        "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    halves.concat()
}

/// A zip archive with one stored (not compressed) member.
pub(crate) fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    let (crc, size) = (crc32(content), as_u32(content.len()));
    // Version 2.0, no flags, stored, the first day of the epoch of FAT.
    let mut common = Vec::new();
    for field in [20_u16, 0, 0, 0, 0x21] {
        common.extend_from_slice(&field.to_le_bytes());
    }
    for field in [crc, size, size, as_u32(name.len())] {
        common.extend_from_slice(&field.to_le_bytes());
    }
    let mut zip = [b"PK\x03\x04", common.as_slice(), name.as_bytes(), content].concat();
    let directory_at = as_u32(zip.len());
    zip.extend_from_slice(b"PK\x01\x02\x14\x00");
    zip.extend_from_slice(&common);
    // No comment, disk 0, no attributes, local header at 0.
    zip.extend_from_slice(&[0; 14]);
    zip.extend_from_slice(name.as_bytes());
    let directory_size = as_u32(zip.len()) - directory_at;
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend_from_slice(&directory_size.to_le_bytes());
    zip.extend_from_slice(&directory_at.to_le_bytes());
    zip.extend_from_slice(&[0; 2]);
    zip
}

/// Base64 in lines of 76 characters.
pub(crate) fn base64_lines(content: &[u8]) -> String {
    // 57 octets make 76 characters.
    content
        .chunks(57)
        .map(|chunk| STANDARD.encode(chunk) + "\r\n")
        .collect()
}

/// The header section of a message, as text.
pub(crate) fn header_block(message: &[u8]) -> String {
    let end = message
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or(message.len());
    String::from_utf8_lossy(message.get(..end).unwrap_or_default()).into_owned()
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn fields(subject: &str) -> String {
    let unique = sha256(subject.as_bytes());
    let unique = unique.get(..16).unwrap_or_default();
    format!(
        "From: \"Alice Example\" <alice@sender.example>\r\n\
         To: Bob <bob@rcpt.example>,\r\n\
         \x20Carol <carol@rcpt.example>\r\n\
         Subject: {subject}\r\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <{unique}@sender.example>\r\n\
         MIME-Version: 1.0\r\n"
    )
}

fn as_u32(length: usize) -> u32 {
    u32::try_from(length).expect("test archives are far below 4 GiB")
}

/// The checksum of zip (polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    };
    !bytes.iter().fold(u32::MAX, step)
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}
