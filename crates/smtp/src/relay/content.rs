//! A message with the changes of a filter, as slices of what is there already.

use super::filter::HeaderEdits;

/// Changes that would damage the message. A filter that asks for them is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    /// A range is empty or reversed, overlaps the one before it, or ends behind the message.
    #[error("range {start}..{end} cannot be removed")]
    Range {
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
    },
    /// The fields to prepend are not whole lines.
    #[error("the fields to prepend do not end in CRLF")]
    Prepended,
}

/// The pieces that make up the changed message, in their order.
pub(super) fn slices<'a>(
    message: &'a [u8],
    edits: &'a HeaderEdits,
) -> Result<Vec<&'a [u8]>, EditError> {
    let prepended = edits.prepended.as_slice();
    if !prepended.is_empty() && !prepended.ends_with(b"\r\n") {
        return Err(EditError::Prepended);
    }
    let mut slices = Vec::with_capacity(edits.removed.len() + 2);
    slices.push(prepended);
    let mut kept_from = 0;
    for range in &edits.removed {
        let error = || EditError::Range {
            start: range.start,
            end: range.end,
        };
        if range.start >= range.end || range.end > message.len() {
            return Err(error());
        }
        slices.push(message.get(kept_from..range.start).ok_or_else(error)?);
        kept_from = range.end;
    }
    slices.push(message.get(kept_from..).unwrap_or_default());
    slices.retain(|slice| !slice.is_empty());
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_ranges_are_left_out_and_new_fields_come_first() {
        let message = b"A: 1\r\nB: 2\r\nC: 3\r\n\r\nbody";
        let edits = |removed: &[(usize, usize)], prepended: &str| HeaderEdits {
            removed: removed.iter().map(|&(start, end)| start..end).collect(),
            prepended: prepended.as_bytes().to_vec(),
        };
        let changed = |edits: &HeaderEdits| slices(message, edits).map(|slices| slices.concat());
        assert_eq!(changed(&edits(&[], "")).unwrap(), message);
        assert_eq!(
            changed(&edits(&[(0, 6), (12, 18)], "X: y\r\n")).unwrap(),
            b"X: y\r\nB: 2\r\n\r\nbody"
        );
        assert_eq!(changed(&edits(&[(0, message.len())], "")).unwrap(), b"");
        for wrong in [
            edits(&[(6, 12), (0, 6)], ""),
            edits(&[(0, 7), (6, 12)], ""),
            edits(&[(6, 6)], ""),
            edits(&[(20, message.len() + 1)], ""),
            edits(&[], "X: y"),
            edits(&[], "X: y\n"),
        ] {
            assert!(changed(&wrong).is_err(), "{wrong:?}");
        }
    }
}
