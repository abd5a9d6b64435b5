use unpack::Coverage;
use zip::CompressionMethod;
use zip::unstable::write::FileOptionsExt;
use zip::write::SimpleFileOptions;

use crate::support::{EICAR, Seen, gzip, noise, replace, zip, zip_by, zip_with};

#[test]
fn a_member_of_a_zip_in_a_zip_is_found() {
    let seen = Seen::of("a.zip", &zip(&[("b.zip", &zip(&[("eicar.com", EICAR)]))]));
    let member = seen.artifact("1.2/1/1");
    assert_eq!(
        (member.name.as_deref(), member.depth, member.coverage),
        (Some("eicar.com"), 2, Coverage::Full)
    );
    assert!(member.attachment);
    assert_eq!(seen.bytes("1.2/1/1"), EICAR);
    assert_eq!(seen.artifact("1.2").file_type.name(), "zip");
    assert_eq!(seen.worst(), Coverage::Full, "{seen}");
}

#[test]
fn every_method_that_can_be_decoded_is() {
    let content = b"the same content, again and again. ".repeat(100);
    for method in [
        CompressionMethod::Stored,
        CompressionMethod::Deflated,
        CompressionMethod::Bzip2,
    ] {
        let seen = Seen::of("a.zip", &zip_by(method, &[("a.txt", &content)]));
        assert_eq!(seen.bytes("1.2/1"), content, "{method}");
        assert_eq!(seen.worst(), Coverage::Full, "{method}\n{seen}");
    }
}

#[test]
fn an_unknown_method_is_unsupported_and_still_listed() {
    let mut bytes = zip(&[("a.exe", b"content of the file")]);
    // Method 14 is LZMA: once in the local header, once in the directory.
    bytes[8] = 14;
    let central = bytes.len() - 22 - 51;
    assert_eq!(&bytes[central..central + 4], b"PK\x01\x02");
    bytes[central + 10] = 14;
    let seen = Seen::of("a.zip", &bytes);
    let member = seen.artifact("1.2/1");
    assert_eq!(
        (member.name.as_deref(), member.coverage),
        (Some("a.exe"), Coverage::Unsupported),
        "{seen}"
    );
}

#[test]
fn encrypted_members_are_listed_by_name() {
    let options = SimpleFileOptions::default()
        .with_deprecated_encryption(b"infected")
        .unwrap();
    let seen = Seen::of(
        "a.zip",
        &zip_with(options, &[("invoice.exe", b"MZ"), ("b.txt", b"b")]),
    );
    let member = seen.artifact("1.2/1");
    assert_eq!(
        (member.name.as_deref(), member.coverage, member.encrypted),
        (Some("invoice.exe"), Coverage::Encrypted, true)
    );
    assert!(seen.artifact("1.2").encrypted, "the archive says so too");
    assert_eq!(seen.unpacked.artifacts.len(), 4, "{seen}");
}

#[test]
fn strongly_encrypted_members_are_encrypted_too() {
    let options =
        SimpleFileOptions::default().with_aes_encryption(zip::AesMode::Aes256, "infected");
    let seen = Seen::of("a.zip", &zip_with(options, &[("invoice.exe", b"MZ")]));
    assert_eq!(
        seen.artifact("1.2/1").coverage,
        Coverage::Encrypted,
        "{seen}"
    );
}

#[test]
fn a_truncated_zip_is_damaged_and_what_can_be_read_is() {
    let bytes = zip(&[("eicar.com", EICAR), ("noise", &noise(1000))]);
    let seen = Seen::of("a.zip", &bytes[..bytes.len() - 500]);
    assert_eq!(seen.artifact("1.2").coverage, Coverage::Damaged, "{seen}");
    assert!(seen.has(EICAR), "{seen}");
    assert_eq!(seen.artifact("1.2/2").coverage, Coverage::Damaged, "{seen}");
    assert!(seen.artifact("1.2/2").size > 400, "{seen}");
}

#[test]
fn a_zip_cut_off_anywhere_is_never_full_or_never_a_zip() {
    let inner = zip(&[("eicar.com", EICAR)]);
    let bytes = zip(&[("a.txt", b"text"), ("inner.zip", &inner)]);
    for length in 0..bytes.len() {
        let seen = Seen::of("a.zip", &bytes[..length]);
        if length >= 30 {
            assert_ne!(
                seen.artifact("1.2").coverage,
                Coverage::Full,
                "cut at {length}\n{seen}"
            );
        }
    }
}

#[test]
fn junk_before_and_after_does_not_hide_a_zip() {
    let bytes = zip(&[("eicar.com", EICAR)]);
    for (name, prefix, suffix) in [
        ("junk", noise(5000), noise(5000)),
        ("a picture", b"\x89PNG\r\n\x1a\n".to_vec(), Vec::new()),
        (
            "a program",
            [b"MZ".to_vec(), vec![0; 100]].concat(),
            Vec::new(),
        ),
        ("a document", b"%PDF-1.4\n%%EOF\n".to_vec(), b"\n".to_vec()),
        ("text", b"just a text\n".to_vec(), Vec::new()),
    ] {
        let seen = Seen::of("a.bin", &[prefix, bytes.clone(), suffix].concat());
        assert!(seen.has(EICAR), "{name}\n{seen}");
    }
}

#[test]
fn a_member_that_the_directory_does_not_name_is_found() {
    let hidden = zip(&[("eicar.com", EICAR)]);
    let local_only = &hidden[..hidden.len() - 22 - 46 - "eicar.com".len()];
    let visible = zip(&[("a.txt", b"harmless")]);
    let seen = Seen::of("a.zip", &[local_only, &visible].concat());
    assert!(seen.has(EICAR) && seen.has(b"harmless"), "{seen}");
    assert_eq!(seen.artifact("1.2").coverage, Coverage::Damaged);
    assert!(
        seen.artifact("1.2")
            .detail
            .as_deref()
            .unwrap()
            .contains("does not name"),
        "{seen}"
    );
}

#[test]
fn both_names_of_a_member_are_kept_when_they_differ() {
    let mut bytes = zip(&[("a.exe", b"MZ content")]);
    replace(&mut bytes, 40, b"a.exe", b"a.txt");
    let seen = Seen::of("a.zip", &bytes);
    assert_eq!(seen.artifact("1.2/1").names, ["a.txt", "a.exe"], "{seen}");
    assert!(
        seen.artifact("1.2")
            .detail
            .as_deref()
            .unwrap()
            .contains("names of a member differ")
    );
}

#[test]
fn both_readings_of_a_member_are_scanned_when_its_headers_differ() {
    let mut bytes = zip_by(CompressionMethod::Stored, &[("a", EICAR)]);
    // The directory says that the member is shorter than it is.
    let central = bytes.len() - 22 - 47;
    bytes[central + 20] = 10;
    bytes[central + 24] = 10;
    let seen = Seen::of("a.zip", &bytes);
    assert!(seen.has(EICAR) && seen.has(&EICAR[..10]), "{seen}");
    assert_eq!(seen.artifact("1.2").coverage, Coverage::Damaged);
}

#[test]
fn members_behind_the_end_of_streamed_data_are_found() {
    let hidden = zip(&[("eicar.com", EICAR)]);
    let local_only = &hidden[..hidden.len() - 22 - 46 - "eicar.com".len()];
    let outer = zip(&[("a.txt", &b"harmless text ".repeat(20))]);
    let central = outer.len() - 22 - 51;
    let (data, directory) = outer.split_at(central);
    let packed = u32::from_le_bytes(data[18..22].try_into().unwrap());
    // A data descriptor, then a member that the directory swallows by claiming longer data.
    let mut local = data.to_vec();
    local[6] |= 8;
    local[14..26].fill(0);
    local.extend(b"PK\x07\x08");
    local.extend([0; 12]);
    local.extend(local_only);
    let mut directory = directory.to_vec();
    let claimed = packed + 16 + u32::try_from(local_only.len()).unwrap();
    directory[20..24].copy_from_slice(&claimed.to_le_bytes());
    let end = directory.len() - 22;
    let offset = u32::try_from(local.len()).unwrap();
    directory[end + 16..end + 20].copy_from_slice(&offset.to_le_bytes());
    let seen = Seen::of("a.zip", &[local, directory].concat());
    assert!(seen.has(EICAR), "{seen}");
}

#[test]
fn a_stored_zip_inside_is_not_taken_for_hidden_members() {
    let inner = zip(&[("eicar.com", EICAR)]);
    let seen = Seen::of(
        "a.zip",
        &zip_by(
            CompressionMethod::Stored,
            &[("inner.zip", &inner), ("b", b"b")],
        ),
    );
    assert_eq!(seen.worst(), Coverage::Full, "{seen}");
    assert_eq!(seen.unpacked.artifacts.len(), 5, "{seen}");
}

#[test]
fn a_changed_member_has_a_wrong_checksum() {
    let mut bytes = zip_by(CompressionMethod::Stored, &[("a", EICAR)]);
    replace(&mut bytes, 0, b"EICAR", b"eicar");
    let seen = Seen::of("a.zip", &bytes);
    assert_eq!(
        (
            seen.artifact("1.2/1").coverage,
            seen.artifact("1.2/1").detail.as_deref()
        ),
        (Coverage::Damaged, Some("checksum differs"))
    );
}

#[test]
fn sizes_that_lie_cost_nothing() {
    let honest = zip(&[("a", EICAR)]);
    for (at, value) in [
        (22, u32::MAX - 1),
        (18, u32::MAX - 1),
        (22, u32::MAX),
        (18, u32::MAX),
    ] {
        let mut bytes = honest.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let seen = Seen::of("a.zip", &bytes);
        assert!(seen.has(EICAR), "{at} {value}\n{seen}");
    }
    // An end record of zip64 that promises 2^60 members.
    let mut bytes = honest.clone();
    let end = bytes.len() - 22;
    let tail = bytes.split_off(end);
    let at = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([0; 12]);
    for value in [1u64 << 60, 1 << 60, 1 << 62, 0] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(&tail[..8]);
    bytes.extend([0xff; 12]);
    bytes.extend(&tail[20..]);
    let seen = Seen::of("a.zip", &bytes);
    assert!(seen.has(EICAR), "{seen}");
}

#[test]
fn documents_are_typed_by_their_members() {
    for (members, expected) in [
        (vec!["[Content_Types].xml", "word/document.xml"], "docx"),
        (vec!["[Content_Types].xml", "xl/workbook.xml"], "xlsx"),
        (vec!["[Content_Types].xml", "xl/workbook.bin"], "xlsb"),
        (vec!["[Content_Types].xml", "ppt/presentation.xml"], "pptx"),
        (vec!["META-INF/MANIFEST.MF", "A.class"], "jar"),
        (vec!["AndroidManifest.xml", "META-INF/MANIFEST.MF"], "apk"),
        (vec!["word/document.xml"], "zip"),
        (vec!["a"], "zip"),
    ] {
        let files: Vec<(&str, &[u8])> = members
            .iter()
            .map(|name| (*name, b"<x/>".as_slice()))
            .collect();
        let seen = Seen::of("a.bin", &zip(&files));
        assert_eq!(seen.artifact("1.2").file_type.name(), expected);
        assert_eq!(
            seen.unpacked.artifacts.len(),
            2 + members.len(),
            "members are artifacts\n{seen}"
        );
    }
}

#[test]
fn names_are_read_in_the_code_page_of_the_pc() {
    let mut bytes = zip(&[("aaaaa.txt", b"x")]);
    for at in [0, 40] {
        replace(&mut bytes, at, b"aaaaa", b"\x81\x8f\x94\xe1\x9b");
    }
    assert_eq!(
        Seen::of("a.zip", &bytes).artifact("1.2/1").name.as_deref(),
        Some("üÅöß¢.txt")
    );
}

#[test]
fn gzip_in_zip_is_opened() {
    let seen = Seen::of("a.zip", &zip(&[("eicar.com.gz", &gzip(EICAR))]));
    assert_eq!(
        seen.artifact("1.2/1/1").name.as_deref(),
        Some("eicar.com"),
        "{seen}"
    );
    assert_eq!(seen.bytes("1.2/1/1"), EICAR);
}

#[test]
fn folders_without_end_are_bounded() {
    // Each has a local header of its own, and costs no file.
    let (mut local, mut directory) = (Vec::new(), Vec::new());
    for _ in 0..70_000u32 {
        let offset = u32::try_from(local.len()).unwrap();
        local.extend(b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0d/");
        directory.extend(b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0");
        directory.extend(offset.to_le_bytes());
        directory.extend(b"d/");
    }
    let mut end = b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff".to_vec();
    end.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    end.extend(u32::try_from(local.len()).unwrap().to_le_bytes());
    end.extend([0, 0]);
    let seen = Seen::of("a.zip", &[local, directory, end].concat());
    assert_eq!(seen.artifact("1.2").coverage, Coverage::OverLimit, "{seen}");
    assert!(
        seen.artifact("1.2")
            .detail
            .as_deref()
            .unwrap()
            .contains("entries 65536"),
        "{seen}"
    );
}
