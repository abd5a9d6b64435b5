//! The one place where anything is decompressed.
//!
//! A decoder never sees a size that an attacker declared: output goes into a buffer that grows as bytes come,
//! up to a cap, and one byte more is asked for to tell "exactly the cap" from "more than that".

use std::io::{Cursor, ErrorKind, Read};

use crate::budget::Budget;
use crate::limits::Limits;

/// First allocation for output, in bytes: most members are smaller, and declared sizes are not believed.
const FIRST_BUFFER: usize = 16 * 1024;

// Compression methods (APPNOTE section 4.4.5).
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const DEFLATE64: u16 = 9;
const BZIP2: u16 = 12;

const UNSUPPORTED: Inflated = Inflated {
    bytes: Vec::new(),
    stop: Some(Stop::Unsupported),
};

/// Compressed bytes, and what they are compressed with.
pub(crate) enum Packed<'a> {
    /// A gzip stream: one member after the other.
    Gzip(&'a [u8]),
    /// The data of one zip member.
    Zip {
        /// The compression method (APPNOTE section 4.4.5).
        method: u16,
        data: &'a [u8],
    },
}

/// How much one member may decompress to, beside the total.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// Bytes left for all members of the container, by the ratio.
    pub(crate) container: u64,
}

/// What came out.
pub(crate) struct Inflated {
    pub(crate) bytes: Vec<u8>,
    /// Why it is not all, if it is not.
    pub(crate) stop: Option<Stop>,
}

/// Why decompression ended early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// The stream is broken or cut off.
    Damaged,
    /// [`Limits::file_bytes`].
    FileBytes,
    /// The process may not have more memory: the content was not read to its end, and nothing is wrong with it.
    Memory,
    /// [`Limits::ratio`].
    Ratio,
    /// [`Limits::total_bytes`].
    TotalBytes,
    /// The method is not one that can be decoded.
    Unsupported,
}

/// Decompresses within the bounds, and pays from the budget.
pub(crate) fn inflate(
    packed: Packed<'_>,
    allowance: Allowance,
    limits: &Limits,
    budget: &mut Budget,
) -> Inflated {
    let data = match packed {
        Packed::Gzip(data) | Packed::Zip { data, .. } => data,
    };
    let by_ratio = (data.len() as u64)
        .saturating_mul(limits.ratio)
        .max(limits.ratio_floor)
        .min(allowance.container);
    let cap = Cap::smallest([
        (limits.file_bytes, Stop::FileBytes),
        (by_ratio, Stop::Ratio),
        (budget.bytes(), Stop::TotalBytes),
    ]);
    let inflated = match packed {
        #[expect(clippy::disallowed_types, reason = "this is the capped reader")]
        Packed::Gzip(data) => read(flate2::bufread::MultiGzDecoder::new(data), cap),
        // Nothing to decode: no bomb either.
        Packed::Zip {
            method: STORED,
            data,
        } => read(data, cap),
        Packed::Zip {
            method: method @ (DEFLATED | DEFLATE64 | BZIP2),
            data,
        } => read_zip(method, data, cap),
        Packed::Zip { .. } => UNSUPPORTED,
    };
    // The cap is never above what is left.
    let paid = budget.take_bytes(inflated.bytes.len() as u64);
    debug_assert!(paid);
    inflated
}

/// The file name in the header of a gzip stream.
pub(crate) fn gzip_name(data: &[u8]) -> Option<Vec<u8>> {
    #[expect(
        clippy::disallowed_types,
        reason = "reads the header, inflates nothing"
    )]
    let decoder = flate2::bufread::GzDecoder::new(data);
    decoder
        .header()
        .and_then(|header| header.filename())
        .map(<[u8]>::to_vec)
}

/// CRC-32 as in zip and gzip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[derive(Clone, Copy)]
struct Cap {
    bytes: u64,
    reason: Stop,
}

impl Cap {
    fn smallest(caps: [(u64, Stop); 3]) -> Cap {
        let [first, rest @ ..] = caps.map(|(bytes, reason)| Cap { bytes, reason });
        rest.into_iter().fold(
            first,
            |least, cap| if cap.bytes < least.bytes { cap } else { least },
        )
    }
}

/// Has the zip crate decode data whose header we have read ourselves: it is given a header that says nothing
/// but the method, so that it cannot stumble over any other field.
fn read_zip(method: u16, data: &[u8], cap: Cap) -> Inflated {
    const HEADER_BYTES: usize = 30;
    /// Sizes come after the data: the decoder then does not stop at a declared size.
    const SIZES_UNKNOWN: u16 = 1 << 3;
    let mut header = [0; HEADER_BYTES];
    for (at, field) in [
        (0, 0x4b50),
        (2, 0x0403),
        (4, 20),
        (6, SIZES_UNKNOWN),
        (8, method),
        (12, 0x21),
    ] {
        if let Some(bytes) = header.get_mut(at..at + 2) {
            bytes.copy_from_slice(&u16::to_le_bytes(field));
        }
    }
    let mut stream = Cursor::new(header).chain(data);
    let options = zip::read::ZipReadOptions::new()
        .override_compressed_size(data.len() as u64)
        .ignore_crc32(true);
    #[expect(clippy::disallowed_methods, reason = "this is the capped reader")]
    let file = zip::read::read_zipfile_from_stream_with_options(&mut stream, options);
    match file {
        Ok(Some(file)) => read(file, cap),
        Ok(None) | Err(_) => UNSUPPORTED,
    }
}

fn read(source: impl Read, cap: Cap) -> Inflated {
    let mut bytes =
        Vec::with_capacity(FIRST_BUFFER.min(usize::try_from(cap.bytes).unwrap_or(FIRST_BUFFER)));
    // `read_to_end` keeps what it has read when it fails: a broken tail does not cost the head.
    let result = source
        .take(cap.bytes.saturating_add(1))
        .read_to_end(&mut bytes);
    let over = bytes.len() as u64 > cap.bytes;
    bytes.truncate(usize::try_from(cap.bytes).unwrap_or(usize::MAX));
    let stop = match result {
        _ if over => Some(cap.reason),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Some(Stop::Memory),
        Err(_) => Some(Stop::Damaged),
    };
    Inflated { bytes, stop }
}
