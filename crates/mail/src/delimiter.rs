//! Splitting the body of a multipart at its delimiter lines (RFC 2046 section 5.1.1).

use std::ops::Range;

use memchr::{memchr2, memmem};

/// A multipart body, split.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// What stands between the delimiters, in order, empty pieces left out.
    pub(crate) pieces: Vec<Piece>,
    /// There is a closing delimiter.
    pub(crate) closed: bool,
    /// A part follows the closing delimiter.
    pub(crate) after_close: bool,
    /// Delimiters with something before them on their line, or behind them, were taken.
    pub(crate) fallback: bool,
    /// There are more pieces than allowed; the last one goes to the end of the body.
    pub(crate) overflow: bool,
}

/// A piece of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) place: Place,
    pub(crate) range: Range<usize>,
}

/// Where a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Epilogue,
    Part,
    Preamble,
}

/// A delimiter in a body.
#[derive(Debug)]
struct Delimiter {
    /// Where the content before it ends, its line end left out.
    content_end: usize,
    /// Where the content after it begins.
    next: usize,
    close: bool,
    /// Not a delimiter line by the letter of the RFC.
    loose: bool,
}

/// Whether some delimiter of this boundary is in the body.
pub(crate) fn occurs(body: &[u8], boundary: &[u8]) -> bool {
    Finder::new(body, boundary, false).next().is_some()
        || Finder::new(body, boundary, true).next().is_some()
}

/// Splits a body at the delimiters of all these boundaries into at most `max_pieces` pieces. `None`
/// when there is no delimiter. One that stands in the middle of a line counts only when there is no
/// other.
pub(crate) fn split(body: &[u8], boundaries: &[&[u8]], max_pieces: usize) -> Option<Split> {
    let delimiters = |midline| {
        let finders = boundaries
            .iter()
            .map(|boundary| Finder::new(body, boundary, midline));
        Merged::new(finders.collect())
    };
    let mut lines = delimiters(false).peekable();
    if lines.peek().is_some() {
        return Some(pieces(body, lines, max_pieces));
    }
    let mut anywhere = delimiters(true).peekable();
    anywhere.peek()?;
    Some(pieces(body, anywhere, max_pieces))
}

fn pieces(body: &[u8], delimiters: impl Iterator<Item = Delimiter>, max_pieces: usize) -> Split {
    let mut split = Split::default();
    let mut place = Place::Preamble;
    let mut start = 0;
    for delimiter in delimiters {
        if split.pieces.len().saturating_add(1) >= max_pieces.max(1) {
            split.overflow = true;
            break;
        }
        split.fallback |= delimiter.loose;
        push_piece(body, &mut split, place, start..delimiter.content_end);
        start = delimiter.next;
        place = match (place, delimiter.close) {
            (_, true) => Place::Epilogue,
            (Place::Epilogue, false) => {
                split.after_close = true;
                Place::Part
            }
            (_, false) => Place::Part,
        };
        split.closed |= delimiter.close;
    }
    push_piece(body, &mut split, place, start..body.len());
    split
}

/// Keeps a piece unless it is empty; text around the parts also unless it is blank.
fn push_piece(body: &[u8], split: &mut Split, place: Place, range: Range<usize>) {
    let bytes = body.get(range.clone()).unwrap_or_default();
    let blank = match place {
        Place::Part => bytes.is_empty(),
        Place::Epilogue | Place::Preamble => bytes.trim_ascii().is_empty(),
    };
    if !blank {
        split.pieces.push(Piece { place, range });
    }
}

/// The delimiters of several boundaries, in order of their place.
struct Merged<'b> {
    finders: Vec<(Option<Delimiter>, Finder<'b>)>,
    /// Where the content after the last delimiter begins: another reading of its line is passed over.
    floor: usize,
}

impl<'b> Merged<'b> {
    fn new(finders: Vec<Finder<'b>>) -> Merged<'b> {
        let finders = finders
            .into_iter()
            .map(|mut finder| (finder.next(), finder))
            .collect();
        Merged { finders, floor: 0 }
    }
}

impl Iterator for Merged<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        loop {
            let (slot, finder) = self
                .finders
                .iter_mut()
                .filter(|(delimiter, _)| delimiter.is_some())
                .min_by_key(|(delimiter, _)| {
                    delimiter.as_ref().map(|delimiter| delimiter.content_end)
                })?;
            let delimiter = std::mem::replace(slot, finder.next())?;
            if delimiter.next > self.floor {
                self.floor = delimiter.next;
                return Some(delimiter);
            }
        }
    }
}

/// The delimiters of one boundary.
struct Finder<'b> {
    body: &'b [u8],
    boundary_len: usize,
    needle: memmem::Finder<'static>,
    at: usize,
    /// Delimiters in the middle of a line count as well.
    midline: bool,
}

impl<'b> Finder<'b> {
    fn new(body: &'b [u8], boundary: &[u8], midline: bool) -> Finder<'b> {
        let needle = [b"--", boundary].concat();
        Finder {
            body,
            boundary_len: boundary.len(),
            needle: memmem::Finder::new(&needle).into_owned(),
            at: 0,
            midline,
        }
    }

    fn delimiter(&self, start: usize) -> Option<Delimiter> {
        let before = self.body.get(..start)?;
        let blanks = before
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | 0))
            .count();
        let line_start = before.get(..start - blanks)?;
        let at_line_start = matches!(line_start.last(), None | Some(b'\n' | b'\r'));
        if !at_line_start && !self.midline {
            return None;
        }
        // Only now: to look for the end of the line at each of many delimiters on it would take
        // time that is quadratic in its length.
        let (close, end, loose_end) = line_rest(self.body, start + 2 + self.boundary_len)?;
        let content = match at_line_start {
            true => strip_line_end(line_start),
            false => before,
        };
        Some(Delimiter {
            content_end: content.len(),
            next: end,
            close,
            loose: loose_end || !at_line_start || blanks > 0,
        })
    }
}

impl Iterator for Finder<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        while let Some(found) = self.needle.find(self.body.get(self.at..)?) {
            let start = self.at + found;
            match self.delimiter(start) {
                Some(delimiter) => {
                    self.at = delimiter.next;
                    return Some(delimiter);
                }
                None => self.at = start + 1,
            }
        }
        self.at = self.body.len() + 1;
        None
    }
}

/// What follows a boundary on its line: whether it closes, where the next line begins, and whether
/// there is more than blanks. `None` when the boundary goes on, so that it is another one.
fn line_rest(body: &[u8], after: usize) -> Option<(bool, usize, bool)> {
    let rest = body.get(after..)?;
    let (close, tail) = match rest.strip_prefix(b"--") {
        Some(tail) => (true, tail),
        None => (false, rest),
    };
    if !close && !matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n' | 0)) {
        return None;
    }
    let line = memchr2(b'\r', b'\n', tail).unwrap_or(tail.len());
    let loose = !tail
        .get(..line)?
        .iter()
        .all(|byte| matches!(byte, b' ' | b'\t'));
    let end = tail.get(line..)?;
    // A line end that was converted twice is one line end, not one and a blank line.
    let crs = end.iter().take_while(|&&byte| byte == b'\r').count();
    let lf = usize::from(end.get(crs) == Some(&b'\n'));
    let consumed = rest.len() - tail.len() + line + crs + lf;
    Some((close, after + consumed, loose))
}

fn strip_line_end(content: &[u8]) -> &[u8] {
    match content.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => content.strip_suffix(b"\r").unwrap_or(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(body: &str, boundary: &str) -> Vec<(Place, String)> {
        let split = split(body.as_bytes(), &[boundary.as_bytes()], 100).unwrap_or_default();
        let text = |piece: &Piece| body.get(piece.range.clone()).unwrap_or_default().to_owned();
        split
            .pieces
            .iter()
            .map(|piece| (piece.place, text(piece)))
            .collect()
    }

    fn parts_of(body: &str, boundary: &str) -> Vec<String> {
        let pieces = pieces_of(body, boundary).into_iter();
        pieces
            .filter(|(place, _)| *place == Place::Part)
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn the_line_end_before_a_delimiter_belongs_to_it() {
        for body in [
            "--b\none\n--b\ntwo\n--b--\n",
            "--b\r\none\r\n--b\r\ntwo\r\n--b--",
            "--b\rone\r--b\rtwo\r--b--",
        ] {
            assert_eq!(parts_of(body, "b"), ["one", "two"], "{body:?}");
        }
    }

    #[test]
    fn a_longer_boundary_is_another_one() {
        assert_eq!(
            parts_of("--b\none\n--bc\ntwo\n--b--", "b"),
            ["one\n--bc\ntwo"]
        );
    }

    #[test]
    fn blanks_around_a_delimiter_are_accepted() {
        let body = "--b \t\none\n  --b\ntwo\n--b-- \n";
        assert_eq!(parts_of(body, "b"), ["one", "two"]);
        assert!(split(body.as_bytes(), &[b"b"], 9).is_some_and(|split| split.fallback));
    }

    #[test]
    fn delimiters_inside_of_lines_count_only_without_others() {
        assert_eq!(parts_of("x--b\none\ny--b--", "b"), ["one\ny"]);
        assert_eq!(
            parts_of("--b\none x--b\ntwo\n--b--", "b"),
            ["one x--b\ntwo"]
        );
    }

    #[test]
    fn text_around_the_parts_is_kept_unless_blank() {
        let found = pieces_of("before\n--b\none\n--b--\nafter\n", "b");
        let places: Vec<Place> = found.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [Place::Preamble, Place::Part, Place::Epilogue]);
        assert_eq!(pieces_of(" \n--b\none\n--b--\n \n", "b").len(), 1);
    }

    #[test]
    fn the_last_piece_beyond_the_limit_goes_to_the_end() {
        let body = "--b\n1\n--b\n2\n--b\n3\n--b--\n";
        let found = split(body.as_bytes(), &[b"b"], 2).expect("delimiters");
        assert!(found.overflow);
        assert_eq!(
            found.pieces.last().map(|piece| piece.range.end),
            Some(body.len())
        );
        assert_eq!(found.pieces.len(), 2);
    }

    #[test]
    fn boundaries_used_in_turn_split_together() {
        let body = b"--a\n1\n--b\n2\n--a--\n";
        let found = split(body, &[b"a", b"b"], 9).expect("delimiters");
        assert_eq!(found.pieces.len(), 2);
    }

    #[test]
    fn a_body_without_delimiter_is_not_split() {
        assert_eq!(
            split(b"text", &[b"b"], 9).map(|split| split.pieces.len()),
            None
        );
        assert!(!occurs(b"--bc", b"b"));
        assert!(occurs(b"--b", b"b"));
    }
}
