use unpack::{Coverage, Limits};
use zip::CompressionMethod;

use crate::support::{EICAR, Seen, gzip, gzip_zeros, mail_with, noise, shared, zip, zip_by};

fn detail<'a>(seen: &'a Seen, path: &str) -> &'a str {
    seen.artifact(path).detail.as_deref().unwrap_or_default()
}

#[test]
fn a_bomb_is_stopped_by_the_ratio() {
    let bytes = gzip_zeros(256 << 20);
    let seen = Seen::of("bomb.gz", &bytes);
    let inner = seen.artifact("1.2/1");
    assert_eq!(
        (inner.coverage, inner.detail.as_deref()),
        (Coverage::OverLimit, Some("ratio 200"))
    );
    assert!(inner.size <= 200 * bytes.len() as u64);
}

#[test]
fn small_files_may_compress_as_well_as_they_like() {
    let seen = Seen::of("a.gz", &gzip(&vec![0; 1 << 20]));
    assert_eq!(seen.worst(), Coverage::Full, "{seen}");
}

#[test]
fn the_size_of_a_file_is_bounded_and_its_beginning_is_scanned() {
    let limits = Limits {
        file_bytes: 1000,
        ..Limits::default()
    };
    let content = noise(1001);
    let seen = Seen::within("a.gz", &gzip(&content[..1000])[..], &limits);
    assert_eq!(
        seen.artifact("1.2").detail.as_deref(),
        Some("file-bytes 1000"),
        "noise grows a little when compressed"
    );
    let text = b"to be or not to be ".repeat(100);
    let seen = Seen::within("a.gz", &gzip(&text), &limits);
    assert_eq!(
        (seen.artifact("1.2/1").coverage, detail(&seen, "1.2/1")),
        (Coverage::OverLimit, "file-bytes 1000")
    );
    assert_eq!(seen.bytes("1.2/1"), &text[..1000]);
    let seen = Seen::within("a.gz", &gzip(&text[..1000]), &limits);
    assert_eq!(
        seen.artifact("1.2/1").coverage,
        Coverage::Full,
        "exactly the bound is within it"
    );
}

#[test]
fn the_total_is_bounded_over_all_archives_of_a_mail() {
    let limits = Limits {
        total_bytes: 5000,
        ..Limits::default()
    };
    let archives: Vec<Vec<u8>> = (0..4).map(|n| gzip(&vec![b'a' + n; 2000])).collect();
    let attachments: Vec<(&str, &[u8])> = archives
        .iter()
        .map(|bytes| ("a.gz", bytes.as_slice()))
        .collect();
    let seen = Seen::of_mail(&mail_with(&attachments), &limits);
    let coverage: Vec<_> = (2..6)
        .map(|part| seen.artifact(&format!("1.{part}/1")).coverage)
        .collect();
    assert_eq!(
        coverage,
        [
            Coverage::Full,
            Coverage::Full,
            Coverage::OverLimit,
            Coverage::OverLimit
        ]
    );
    assert_eq!(detail(&seen, "1.4/1"), "total-bytes 5000");
    assert_eq!(seen.artifact("1.4/1").size, 1000);
}

#[test]
fn the_number_of_files_is_bounded() {
    let limits = Limits {
        files: 10,
        ..Limits::default()
    };
    let names: Vec<String> = (0..100).map(|n| format!("file{n}")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    let seen = Seen::within("a.zip", &zip(&files), &limits);
    assert_eq!(seen.unpacked.artifacts.len(), 10);
    assert_eq!(
        (seen.artifact("1.2").coverage, detail(&seen, "1.2")),
        (Coverage::OverLimit, "files 10")
    );
}

#[test]
fn parts_beyond_the_files_are_listed_but_not_scanned() {
    let limits = Limits {
        files: 2,
        ..Limits::default()
    };
    let seen = Seen::of_mail(&mail_with(&[("a", b"first"), ("b", EICAR)]), &limits);
    assert_eq!(
        (seen.artifact("1.3").coverage, detail(&seen, "1.3")),
        (Coverage::OverLimit, "files 2")
    );
    assert_eq!(seen.bytes("1.3"), b"");
}

#[test]
fn the_depth_of_archives_is_bounded() {
    let nested = |depth: usize| {
        (0..depth).fold(EICAR.to_vec(), |inner, n| {
            zip(&[(&format!("{n}.zip"), &inner)])
        })
    };
    let seen = Seen::of("a.zip", &nested(8));
    assert!(seen.has(EICAR) && seen.worst() == Coverage::Full, "{seen}");
    let seen = Seen::of("a.zip", &nested(9));
    assert!(!seen.has(EICAR));
    let deepest = seen.unpacked.artifacts.last().unwrap();
    assert_eq!(
        (deepest.coverage, deepest.detail.as_deref()),
        (Coverage::OverLimit, Some("depth 8"))
    );
}

#[test]
fn a_member_shared_by_many_entries_is_read_once() {
    // 500 directory records that name one local header.
    let single = zip(&[("a", &vec![0; 1 << 20])]);
    let central_at = single.len() - 22 - 47;
    let record = &single[central_at..central_at + 47];
    let mut bytes = single[..central_at].to_vec();
    for _ in 0..500 {
        bytes.extend(record);
    }
    let mut end = single[single.len() - 22..].to_vec();
    end[8..12].copy_from_slice(&[0xf4, 1, 0xf4, 1]);
    end[12..16].copy_from_slice(&(500u32 * 47).to_le_bytes());
    bytes.extend(end);
    let seen = Seen::of("a.zip", &bytes);
    assert_eq!(seen.unpacked.artifacts.len(), 3, "{seen}");
    assert!(detail(&seen, "1.2").contains("members share their data"));
}

#[test]
fn overlapping_members_are_noted_and_bounded() {
    // Each member quotes the headers of those behind it in a stored block (the trick of "a better zip bomb").
    let bytes = quoted_overlap(200, 100_000);
    assert!(bytes.len() < 40_000, "{}", bytes.len());
    let seen = Seen::of("a.zip", &bytes);
    let total: u64 = seen
        .unpacked
        .artifacts
        .iter()
        .map(|artifact| artifact.size)
        .sum();
    assert!(
        total < 200 * bytes.len() as u64 + (2 << 20),
        "{total} from {}",
        bytes.len()
    );
    assert_eq!(seen.worst(), Coverage::OverLimit);
    assert!(
        detail(&seen, "1.2").contains("overlap"),
        "{}",
        detail(&seen, "1.2")
    );
}

/// A zip whose members all end in the same kernel of compressed zeros.
fn quoted_overlap(members: usize, zeros: usize) -> Vec<u8> {
    let kernel_zip = zip(&[("k", &vec![0; zeros])]);
    let kernel_length = u32::from_le_bytes(kernel_zip[18..22].try_into().unwrap()) as usize;
    let kernel = &kernel_zip[31..31 + kernel_length];
    let header = |name: &str, packed: usize| {
        let mut header = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
        header.extend(u32::try_from(packed).unwrap().to_le_bytes());
        header.extend([0; 4]);
        header.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        header.extend([0, 0]);
        header.extend(name.bytes());
        header
    };
    // From the last member to the first: a stored block that quotes the next header, then what follows it.
    let mut tail = kernel.to_vec();
    let mut next = header(&format!("{:04}", members - 1), tail.len());
    let mut headers = vec![next.clone()];
    for member in (0..members - 1).rev() {
        let length = u16::try_from(next.len()).unwrap();
        let mut data = vec![0];
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(&next);
        data.extend(&tail);
        tail = data;
        next = header(&format!("{member:04}"), tail.len());
        headers.push(next.clone());
    }
    let mut bytes = [next, tail].concat();
    let directory_at = bytes.len();
    let step = 5 + headers[0].len();
    for member in 0..members {
        let header = &headers[members - 1 - member];
        let mut record = b"PK\x01\x02\x14\0".to_vec();
        record.extend(&header[4..28]);
        record.extend([0; 14]);
        record.extend([0, 0]);
        record.truncate(42);
        record.extend(u32::try_from(member * step).unwrap().to_le_bytes());
        record.extend(&header[30..]);
        bytes.extend(record);
    }
    let size = bytes.len() - directory_at;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(u16::try_from(members).unwrap().to_le_bytes().repeat(2));
    bytes.extend(u32::try_from(size).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(directory_at).unwrap().to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn identical_contents_are_opened_once() {
    let inner = zip(&[("eicar.com", EICAR)]);
    let members: Vec<String> = (0..20).map(|n| format!("{n}.zip")).collect();
    let files: Vec<(&str, &[u8])> = members
        .iter()
        .map(|name| (name.as_str(), inner.as_slice()))
        .collect();
    let seen = Seen::of("a.zip", &zip_by(CompressionMethod::Stored, &files));
    assert_eq!(seen.unpacked.artifacts.len(), 1 + 1 + 20 + 1, "{seen}");
    assert_eq!(detail(&seen, "1.2/20"), "same content as 1.2/1");
}

#[test]
fn nested_bombs_end_at_once() {
    // Six levels of sixteen zips each, of zeros: 16^6 files if each were opened.
    let mut inner = zip(&[("zeros", &vec![0; 1 << 20])]);
    for _ in 0..6 {
        let names: Vec<String> = (0..16).map(|n| format!("{n:x}.zip")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), inner.as_slice()))
            .collect();
        inner = zip(&files);
    }
    let seen = Seen::of("bomb.zip", &inner);
    assert!(
        seen.unpacked.artifacts.len() < 200,
        "{}",
        seen.unpacked.artifacts.len()
    );
}

#[test]
fn a_stream_that_decompresses_to_itself_ends() {
    // No quine is needed to see that it ends: any content that was opened is not opened inside itself.
    let limits = Limits {
        depth: 1000,
        files: 100_000,
        ..Limits::default()
    };
    let mut inner = gzip(b"core");
    for _ in 0..300 {
        inner = gzip(&inner);
    }
    let seen = Seen::within("a.gz", &inner, &limits);
    assert!(seen.has(b"core"));
}

#[test]
fn forty_two_zip_is_listed_and_harmless() {
    let Some(path) = shared("corpus/attach/zipbomb/42.zip") else {
        return;
    };
    let seen = Seen::of("42.zip", &std::fs::read(path).unwrap());
    assert_ne!(seen.worst(), Coverage::Full, "{seen}");
    assert!(seen.unpacked.artifacts.len() <= 2_000);
}

#[test]
fn references_are_bounded_and_pictures_do_not_crowd_out_links() {
    let html = format!(
        "<html>{}<a href='https://evil.example/'>x</a>",
        "<img src='https://pixel.example/'>".repeat(3000)
    );
    let seen = Seen::of("a.html", html.as_bytes());
    assert!(seen.unpacked.references_truncated);
    assert_eq!(
        seen.unpacked.references.last().unwrap().raw,
        "https://evil.example/"
    );
    assert_eq!(
        (seen.artifact("1.2").coverage, detail(&seen, "1.2")),
        (Coverage::OverLimit, "references 1000")
    );
}

#[test]
fn long_documents_and_texts_are_cut_and_say_so() {
    let limits = Limits {
        html_bytes: 100,
        text_bytes: 10,
        ..Limits::default()
    };
    let seen = Seen::within(
        "a.html",
        &[b"<html><p>".to_vec(), vec![b'x'; 200]].concat(),
        &limits,
    );
    assert_eq!(
        (seen.artifact("1.2").coverage, detail(&seen, "1.2")),
        (Coverage::OverLimit, "html-bytes 100")
    );
    assert_eq!(
        (seen.unpacked.text.as_str(), seen.unpacked.text_truncated),
        ("See attach", true)
    );
}

#[test]
fn unknown_limits_are_refused_and_missing_ones_have_defaults() {
    let limits: Limits = serde_json::from_str(r#"{"files": 5}"#).unwrap();
    assert_eq!(
        limits,
        Limits {
            files: 5,
            ..Limits::default()
        }
    );
    assert!(serde_json::from_str::<Limits>(r#"{"file": 5}"#).is_err());
}

#[test]
fn a_bound_of_the_mail_parser_shows_in_the_coverage() {
    let mut limits = Limits::default();
    limits.mail.message_bytes = 600;
    let seen = Seen::of_mail(&mail_with(&[("a", &noise(1000))]), &limits);
    assert_eq!(seen.worst(), Coverage::OverLimit, "{seen}");
    limits.mail.message_bytes = 50 << 20;
    limits.mail.parts = 2;
    let seen = Seen::of_mail(
        &mail_with(&[("a", b"a"), ("b", b"b"), ("c", b"c")]),
        &limits,
    );
    assert_eq!(seen.worst(), Coverage::OverLimit, "{seen}");
}

#[test]
fn documents_in_data_urls_are_opened_up_to_the_bound() {
    let html = (0..300).fold("<p>core".to_owned(), |inner, _| {
        let inner = inner.replace('%', "%25").replace('>', "%3E");
        format!("<iframe/src=data:text/html,{inner}>")
    });
    let seen = Seen::of("a.html", html.as_bytes());
    let deepest = seen.unpacked.artifacts.last().unwrap();
    assert_eq!(
        (deepest.coverage, deepest.detail.as_deref()),
        (Coverage::OverLimit, Some("depth 8"))
    );
    assert!(seen.unpacked.artifacts.len() < 20, "{seen}");
}
