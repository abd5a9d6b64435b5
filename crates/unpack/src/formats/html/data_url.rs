//! `data:` URLs (RFC 2397): content inside a link.

/// What a `data:` URL contains.
pub(super) struct DataUrl {
    pub(super) media_type: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// Decodes a `data:` URL; `None` when it is none.
pub(super) fn decode(url: &str) -> Option<DataUrl> {
    let (scheme, rest) = url.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (head, data) = rest.split_once(',')?;
    let mut parameters = head.split(';').map(str::trim);
    let media_type = parameters
        .next()
        .filter(|media_type| !media_type.is_empty())
        .map(str::to_ascii_lowercase);
    let data = percent_decoded(data.as_bytes());
    let bytes = if parameters.any(|parameter| parameter.eq_ignore_ascii_case("base64")) {
        base64(&data)
    } else {
        data
    };
    Some(DataUrl { media_type, bytes })
}

/// Decodes base64 in either alphabet, skipping what is not in it, as browsers nearly do.
pub(super) fn base64(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 4 * 3);
    let (mut bits, mut have) = (0u32, 0u32);
    for &byte in data {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push(u8::try_from(bits >> have & 0xff).unwrap_or_default());
        }
    }
    out
}

fn percent_decoded(data: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_decoded() {
        for (url, media_type, bytes) in [
            ("data:text/html;base64,PGI+", Some("text/html"), "<b>"),
            (
                "DATA:Text/HTML;charset=x;BASE64,PG I%2B",
                Some("text/html"),
                "<b>",
            ),
            ("data:,a%20b%zz", None, "a b%zz"),
        ] {
            let found = decode(url).expect(url);
            assert_eq!(
                (found.media_type.as_deref(), found.bytes.as_slice()),
                (media_type, bytes.as_bytes()),
                "{url}"
            );
        }
        assert!(decode("data:no-comma").is_none());
        assert!(decode("http://example.com/,").is_none());
        assert!(decode("dätä:x,").is_none());
    }
}
