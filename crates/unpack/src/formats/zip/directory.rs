//! Central directories: where they are.

use memchr::memmem;

use super::header::{self, CENTRAL_SIGNATURE, END_SIGNATURE, Fields, u16_at, u32_at, u64_at};

/// The end record is looked for this far from the end: its length, and the longest comment.
const END_WITHIN: usize = 22 + 65_535;
/// End records tried, from the last one backwards. Every program stops at one of the last.
const MAX_ENDS: usize = 8;

/// A central directory.
pub(super) struct Directory {
    /// Where its first record is.
    pub(super) start: usize,
    /// What offsets of local headers count from.
    pub(super) base: usize,
    /// Number of records that the end record declares.
    pub(super) declared_entries: Option<usize>,
}

impl Directory {
    /// The records, as long as one follows the other: the declared number is not what programs go by.
    pub(super) fn entries<'b>(
        &self,
        bytes: &'b [u8],
    ) -> impl Iterator<Item = (Fields, &'b [u8], usize)> + use<'b> {
        let mut at = self.start;
        std::iter::from_fn(move || {
            let (fields, name, offset, next) = header::central(bytes, at)?;
            at = next;
            Some((fields, name, offset))
        })
    }
}

/// All directories that a reader might go by: for each end record, the one that ends where the record begins
/// and the one at the declared offset.
pub(super) fn locate(bytes: &[u8]) -> impl Iterator<Item = Directory> {
    let from = bytes.len().saturating_sub(END_WITHIN);
    let tail = bytes.get(from..).unwrap_or_default();
    let mut found: Vec<Directory> = Vec::new();
    for end in memmem::rfind_iter(tail, END_SIGNATURE).take(MAX_ENDS) {
        for directory in at_end_record(bytes, from + end) {
            if !found
                .iter()
                .any(|known| known.start == directory.start && known.base == directory.base)
            {
                found.push(directory);
            }
        }
    }
    found.into_iter()
}

/// Whether the content ends exactly where an end record with its comment does.
pub(super) fn ends_in_end_record(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(END_WITHIN);
    let tail = bytes.get(from..).unwrap_or_default();
    memmem::rfind_iter(tail, END_SIGNATURE)
        .take(MAX_ENDS)
        .any(|at| {
            let comment = tail
                .get(at..)
                .and_then(|record| u16_at(record, 20))
                .map(usize::from);
            comment.is_some_and(|comment| at + 22 + comment == tail.len())
                && at_end_record(bytes, from + at).next().is_some()
        })
}

fn at_end_record(bytes: &[u8], at: usize) -> impl Iterator<Item = Directory> {
    let end = bytes
        .get(at..)
        .and_then(|record| End::read(bytes, record, at));
    end.into_iter().flat_map(move |end| {
        // The size leads back from the end record, so that it works with anything put before the zip; the
        // offset leads forward from the beginning of the file. They may lead to different directories.
        let by_size = end.at.checked_sub(end.size);
        let starts = [by_size, Some(end.offset)].into_iter().flatten();
        let mut seen = None;
        starts
            .filter(|&start| {
                let new = seen != Some(start);
                seen = Some(start);
                new && bytes
                    .get(start..)
                    .is_some_and(|rest| rest.starts_with(CENTRAL_SIGNATURE))
            })
            .map(|start| Directory {
                start,
                base: start.saturating_sub(end.offset),
                declared_entries: Some(end.entries),
            })
            .collect::<Vec<_>>()
    })
}

/// What an end record says, that of zip64 included.
struct End {
    at: usize,
    entries: usize,
    size: usize,
    offset: usize,
}

impl End {
    fn read(bytes: &[u8], record: &[u8], at: usize) -> Option<End> {
        const END_BYTES: usize = 22;
        let record = record.get(..END_BYTES)?;
        let end = End {
            at,
            entries: usize::from(u16_at(record, 10)?),
            size: usize::try_from(u32_at(record, 12)?).ok()?,
            offset: usize::try_from(u32_at(record, 16)?).ok()?,
        };
        let defers = u16_at(record, 10)? == u16::MAX
            || u32_at(record, 12)? == u32::MAX
            || u32_at(record, 16)? == u32::MAX;
        Some(
            defers
                .then(|| End::read_zip64(bytes, at))
                .flatten()
                .unwrap_or(end),
        )
    }

    fn read_zip64(bytes: &[u8], at: usize) -> Option<End> {
        const LOCATOR_BYTES: usize = 20;
        const END64_BYTES: usize = 56;
        let locator_at = at.checked_sub(LOCATOR_BYTES)?;
        let locator = bytes
            .get(locator_at..)
            .filter(|record| record.starts_with(b"PK\x06\x07"))?;
        let declared = usize::try_from(u64_at(locator, 8)?).ok();
        // Where it says, or right before the locator if something was put before the zip.
        let (at, record) = [declared, locator_at.checked_sub(END64_BYTES)]
            .into_iter()
            .flatten()
            .find_map(|at| {
                Some((
                    at,
                    bytes
                        .get(at..)
                        .filter(|record| record.starts_with(b"PK\x06\x06"))?,
                ))
            })?;
        Some(End {
            at,
            entries: usize::try_from(u64_at(record, 32)?).ok()?,
            size: usize::try_from(u64_at(record, 40)?).ok()?,
            offset: usize::try_from(u64_at(record, 48)?).ok()?,
        })
    }
}
