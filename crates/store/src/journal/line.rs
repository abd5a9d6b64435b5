//! One line of the journal.
//!
//! ```text
//! {"seq":7,"time":"2026-11-24T16:14:07.123Z","digest":"…","prev":"…","chain":"…","payload":{…}}
//! ```
//!
//! `digest` is the SHA-256 of the payload's exact octets. `chain` is the SHA-256 of the fields before
//! it, and `prev` is the `chain` of the line before. So the chain runs over digests: a payload can be
//! erased by law (`null` stands in its place), and the chain still verifies. And since every line
//! proves itself, damage is always found in the very line that has it.

use crate::time;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Octets of the largest payload. The largest verdict records are some hundred KiB; what is larger
/// than this is refused, so that reading a line takes bounded memory.
pub(crate) const MAX_PAYLOAD: usize = 16 << 20;

/// Octets of the largest line, its end not counted.
pub(crate) const MAX_LINE: usize = MAX_PAYLOAD + 1024;

/// What stands in place of an erased payload.
const ERASED: &str = "null";

/// `prev` of the very first line.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line that proved itself.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: i64,
    pub(crate) prev: &'a str,
    pub(crate) chain: &'a str,
    /// `None` if it was erased.
    pub(crate) payload: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    seq: u64,
    time: &'a str,
    digest: &'a str,
    prev: &'a str,
    chain: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Appends a line with its end to `out`, and returns its chain digest.
pub(crate) fn write(out: &mut Vec<u8>, seq: u64, ms: i64, prev: &str, payload: &str) -> String {
    let time = time::rfc3339(ms);
    let digest = sha256(payload.as_bytes());
    let chain = chain_of(seq, &time, &digest, prev);
    out.extend_from_slice(head(seq, &time, &digest, prev, &chain).as_bytes());
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(b"}\n");
    chain
}

/// Reads a line without its end, and checks all that it can prove by itself.
pub(crate) fn parse(bytes: &[u8]) -> Result<Line<'_>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("no UTF-8: {e}"))?;
    let fields: Fields = serde_json::from_str(text).map_err(|e| format!("no journal line: {e}"))?;
    let payload = fields.payload.get();
    let erased = payload == ERASED;
    if !erased && sha256(payload.as_bytes()) != fields.digest {
        return Err("the payload does not have its digest".to_owned());
    }
    let chain = chain_of(fields.seq, fields.time, fields.digest, fields.prev);
    if chain != fields.chain {
        return Err("the line does not have its chain digest".to_owned());
    }
    // There is one spelling of a line, so that no octet of it can change unnoticed.
    let head = head(fields.seq, fields.time, fields.digest, fields.prev, &chain);
    let rest = text.strip_prefix(&head).and_then(|t| t.strip_suffix('}'));
    if rest != Some(payload) {
        return Err("the line is not written as the journal writes it".to_owned());
    }
    Ok(Line {
        seq: fields.seq,
        time: time::parse(fields.time).ok_or("its time is none")?,
        prev: fields.prev,
        chain: fields.chain,
        payload: (!erased).then_some(payload),
    })
}

fn head(seq: u64, time: &str, digest: &str, prev: &str, chain: &str) -> String {
    format!(
        r#"{{"seq":{seq},"time":"{time}","digest":"{digest}","prev":"{prev}","chain":"{chain}","payload":"#
    )
}

fn chain_of(seq: u64, time: &str, digest: &str, prev: &str) -> String {
    sha256(format!("{seq}\n{time}\n{digest}\n{prev}").as_bytes())
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}
