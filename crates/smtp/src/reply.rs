//! Replies of a server (RFC 5321, 4.2), read under bounds and made safe to show.

use std::fmt;

use crate::error::ProtocolProblem;

/// Bytes of one line that are kept; RFC 5321 (4.5.3.1.5) allows a server 512. The rest of a longer
/// line is read and dropped.
const MAX_LINE: usize = 2 * 1024;
/// Lines of one reply. The longest real ones are EHLO's, with some twenty.
const MAX_LINES: usize = 100;
/// Bytes of one reply, kept or not. A server that sends more is not answering.
const MAX_REPLY: usize = 64 * 1024;
/// Longest queue id in bytes; Postfix's have at most 17, Exim's 23.
const MAX_QUEUE_ID: usize = 64;
/// How much of a line that is not a reply is shown, in bytes.
const SHOWN: usize = 80;
/// Longest text of a line that is sent, in bytes: the 512 of RFC 5321 (4.5.3.1.5) without the code, the
/// character after it, and the line end.
const MAX_SENT: usize = 512 - "250-".len() - "\r\n".len();

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits, 100 to 599.
    pub code: u16,
    /// The enhanced status code at the start of the first line (RFC 2034), if it fits `code`.
    pub enhanced: Option<EnhancedCode>,
    /// The text after the code, line by line (at least one, perhaps empty), with the enhanced code.
    /// Printable ASCII: every other byte is written `\xNN`. A line cut at 2 KiB ends in `[...]`.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply of our own: a code, an enhanced status code such as `5.7.1` or nothing, and a text, whose lines
    /// each get the enhanced code (RFC 2034, section 4). Other than printable ASCII is written `\xNN`.
    #[must_use]
    pub fn new(code: u16, enhanced: &str, text: &str) -> Self {
        let space = if enhanced.is_empty() { "" } else { " " };
        let lines = text
            .split('\n')
            .map(|line| printable(format!("{enhanced}{space}{line}").as_bytes()))
            .collect();
        Self {
            code,
            enhanced: enhanced_code(code, enhanced),
            lines,
        }
    }

    /// Appends the reply as a server sends it, with a CRLF after each line and with no line over 512
    /// bytes: a longer one goes on in the next. Nothing in `lines` can end the reply or begin another one.
    pub fn write_to(&self, wire: &mut Vec<u8>) {
        let shown: Vec<String> = self
            .lines
            .iter()
            .map(|line| printable(line.as_bytes()))
            .collect();
        let mut pieces = shown.iter().flat_map(|line| {
            // An empty line has no pieces of its own.
            let empty: &[u8] = b"";
            let once = line.is_empty().then_some(empty);
            once.into_iter().chain(line.as_bytes().chunks(MAX_SENT))
        });
        // A reply without any line has a text all the same: none.
        let mut piece = pieces.next().unwrap_or_default();
        loop {
            let next = pieces.next();
            let mark = if next.is_some() { '-' } else { ' ' };
            wire.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
            match next {
                Some(next) => piece = next,
                None => return,
            }
        }
    }

    /// 2yz: done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz: the same may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: the same will fail again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The id under which the server says it has queued the mail, as Postfix (`queued as ID`), Exim
    /// (`OK id=ID`) and sendmail or OpenSMTPD (`ID Message accepted for delivery`) put it: letters,
    /// digits, `-` and `_`, at most 64.
    #[must_use]
    pub fn queue_id(&self) -> Option<String> {
        self.lines.iter().find_map(|line| queue_id(line))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// An enhanced status code (RFC 3463), such as `4.2.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2 success, 4 temporary, 5 permanent.
    pub class: u16,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The precise condition.
    pub detail: u16,
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Printable ASCII as it is, every other byte as `\xNN`: safe on a terminal and in a log. For people,
/// not for decoding: a backslash stays a single one.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Takes a reply byte by byte, so that it does not matter how the bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct ReplyParser {
    total: usize,
    line: Vec<u8>,
    cut: bool,
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyParser {
    /// The reply, if `byte` was its last.
    pub(crate) fn push(&mut self, byte: u8) -> Result<Option<Reply>, ProtocolProblem> {
        self.total += 1;
        if self.total > MAX_REPLY {
            return Err(ProtocolProblem::TooLong);
        }
        if byte == b'\n' {
            return self.end_line();
        }
        if self.line.len() < MAX_LINE {
            self.line.push(byte);
        } else {
            // The CR of a line of exactly that length is not a cut.
            self.cut |= byte != b'\r';
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Result<Option<Reply>, ProtocolProblem> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let Some((code, last, text)) = split_line(line) else {
            return Err(ProtocolProblem::NotAReply(printable(
                line.get(..SHOWN).unwrap_or(line),
            )));
        };
        let first = *self.code.get_or_insert(code);
        if first != code {
            return Err(ProtocolProblem::CodesDisagree { first, then: code });
        }
        if self.lines.len() == MAX_LINES {
            return Err(ProtocolProblem::TooManyLines);
        }
        let mut text = printable(text);
        if self.cut {
            text.push_str("[...]");
        }
        self.lines.push(text);
        self.line.clear();
        self.cut = false;
        Ok(last.then(|| {
            let lines = std::mem::take(&mut self.lines);
            Reply {
                code,
                enhanced: lines.first().and_then(|line| enhanced_code(code, line)),
                lines,
            }
        }))
    }
}

/// Code, whether this is the last line, and text. A server may leave out the text and the space.
fn split_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let &[a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = code else {
        return None;
    };
    let code = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

fn enhanced_code(code: u16, line: &str) -> Option<EnhancedCode> {
    let mut numbers = line.split(' ').next()?.split('.').map(|number| {
        let short =
            (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        short.then(|| number.parse::<u16>().ok()).flatten()
    });
    let enhanced = EnhancedCode {
        class: numbers.next()??,
        subject: numbers.next()??,
        detail: numbers.next()??,
    };
    (numbers.next().is_none() && enhanced.class == code / 100).then_some(enhanced)
}

fn queue_id(line: &str) -> Option<String> {
    let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
    let before = |mark: &str| {
        line.split_once(mark)
            .and_then(|(text, _)| text.rsplit(' ').next())
    };
    let found = after("queued as ")
        .or_else(|| after(" id="))
        .or_else(|| before(" Message accepted for delivery"))?;
    let end = found
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .unwrap_or(found.len());
    found
        .get(..end)
        .filter(|id| (1..=MAX_QUEUE_ID).contains(&id.len()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<Option<Reply>, ProtocolProblem> {
        let mut parser = ReplyParser::default();
        for &byte in bytes {
            if let Some(reply) = parser.push(byte)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    #[test]
    fn replies_have_a_code_lines_and_perhaps_an_enhanced_code() {
        let reply = parse(b"250-mx.example\r\n250-SIZE 100\r\n250 8BITMIME\r\n")
            .unwrap()
            .unwrap();
        assert_eq!((reply.code, reply.enhanced), (250, None));
        assert_eq!(reply.lines, ["mx.example", "SIZE 100", "8BITMIME"]);
        let reply = parse(b"452 4.3.1 Insufficient system storage\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            reply.enhanced,
            Some(EnhancedCode {
                class: 4,
                subject: 3,
                detail: 1
            })
        );
        assert_eq!(reply.to_string(), "452 4.3.1 Insufficient system storage");
        for short in [b"250\r\n".as_slice(), b"250 \r\n", b"250\n"] {
            assert_eq!(
                parse(short).unwrap().unwrap().lines,
                [""],
                "{}",
                short.escape_ascii()
            );
        }
    }

    fn wire(reply: &Reply) -> String {
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        String::from_utf8(wire).unwrap()
    }

    #[test]
    fn our_own_replies_are_written_line_by_line_each_with_its_enhanced_code() {
        let reply = Reply::new(550, "5.7.1", "no relaying\nask \x1b[2Jpostmaster\r");
        assert_eq!(
            wire(&reply),
            "550-5.7.1 no relaying\r\n550 5.7.1 ask \\x1b[2Jpostmaster\\x0d\r\n"
        );
        assert_eq!(reply.enhanced.unwrap().to_string(), "5.7.1");
        assert_eq!(
            wire(&Reply::new(220, "", "mx.example")),
            "220 mx.example\r\n"
        );
        let mut none = Reply::new(250, "", "");
        assert_eq!(wire(&none), "250 \r\n");
        none.lines.clear();
        assert_eq!(wire(&none), "250 \r\n");
    }

    #[test]
    fn a_long_line_goes_on_in_the_next_one() {
        for (length, lines) in [(505, 1), (506, 1), (507, 2), (1012, 2), (1013, 3)] {
            let wire = wire(&Reply::new(550, "", &"x".repeat(length)));
            assert_eq!(wire.lines().count(), lines, "{length}");
            assert!(wire.split_inclusive('\n').all(|line| line.len() <= 512));
            assert_eq!(wire.matches('x').count(), length);
        }
    }

    #[test]
    fn an_enhanced_code_must_fit_the_reply_code() {
        for line in [
            "250 5.1.1 no",
            "250 2.1 no",
            "250 2.1.1.1 no",
            "250 2.1.x no",
            "250 2.1.1234 no",
            "250 +2.1.1 no",
            "250 2..1 no",
        ] {
            assert_eq!(
                parse(format!("{line}\r\n").as_bytes())
                    .unwrap()
                    .unwrap()
                    .enhanced,
                None,
                "{line}"
            );
        }
    }

    #[test]
    fn queue_ids_of_the_common_servers_are_found() {
        let cases = [
            (
                "2.0.0 Ok: queued as 4ZkQ1y0YzTz9rxT",
                Some("4ZkQ1y0YzTz9rxT"),
            ),
            ("2.0.0 Ok: queued as ABC123.", Some("ABC123")),
            (
                "OK id=1tFqJk-000000001Ab-0c2d",
                Some("1tFqJk-000000001Ab-0c2d"),
            ),
            (
                "2.0.0 4AMGtX1q012345 Message accepted for delivery",
                Some("4AMGtX1q012345"),
            ),
            ("2.0.0 Ok", None),
            ("2.0.0 Ok: queued as ", None),
            ("2.0.0 Ok: queued as \\x1b[2J", None),
        ];
        for (line, id) in cases {
            assert_eq!(queue_id(line).as_deref(), id, "{line}");
        }
        assert_eq!(queue_id(&format!("queued as {}", "A".repeat(65))), None);
    }

    #[test]
    fn what_is_not_a_reply_is_said_to_be_none() {
        for line in [
            "",
            "25",
            "2500 x",
            "600 x",
            "050 x",
            "abc",
            "250_x",
            " 250 x",
            "\u{0662}50 x",
            "HTTP/1.1 400 Bad Request",
        ] {
            let problem = parse(format!("{line}\r\n").as_bytes());
            assert!(
                matches!(problem, Err(ProtocolProblem::NotAReply(_))),
                "{line}: {problem:?}"
            );
        }
        assert_eq!(
            parse(b"250-a\r\n550 b\r\n"),
            Err(ProtocolProblem::CodesDisagree {
                first: 250,
                then: 550
            })
        );
    }

    #[test]
    fn hostile_text_is_made_printable() {
        let reply = parse(b"550 \x1b]0;owned\x07 \xe2\x80\xae\0 a\\b \r x\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            reply.lines,
            ["\\x1b]0;owned\\x07 \\xe2\\x80\\xae\\x00 a\\b \\x0d x"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_a_long_reply_refused() {
        let long = [b"250 ".to_vec(), vec![b'x'; 5000], b"\r\n".to_vec()].concat();
        let reply = parse(&long).unwrap().unwrap();
        assert_eq!(reply.lines, [format!("{}[...]", "x".repeat(MAX_LINE - 4))]);
        let exact = [b"250 ".to_vec(), vec![b'x'; MAX_LINE - 4], b"\r\n".to_vec()].concat();
        assert_eq!(
            parse(&exact).unwrap().unwrap().lines,
            ["x".repeat(MAX_LINE - 4)]
        );
        assert_eq!(
            parse(&vec![b'2'; MAX_REPLY + 1]),
            Err(ProtocolProblem::TooLong)
        );
        assert_eq!(
            parse(&b"250-x\r\n".repeat(MAX_LINES + 1)),
            Err(ProtocolProblem::TooManyLines)
        );
        let most = [b"250-x\r\n".repeat(MAX_LINES - 1), b"250 x\r\n".to_vec()].concat();
        assert_eq!(parse(&most).unwrap().unwrap().lines.len(), MAX_LINES);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_reply(
            code in 200u16..600,
            lines in proptest::collection::vec("\\PC{0,100}|[\\x00-\\x7f]{0,100}", 1..5),
        ) {
            let reply = Reply { code, enhanced: None, lines };
            let read = parse(wire(&reply).as_bytes()).unwrap().unwrap();
            let shown: Vec<String> = reply.lines.iter().map(|line| printable(line.as_bytes())).collect();
            prop_assert_eq!(read.code, code);
            prop_assert_eq!(read.lines.concat(), shown.concat());
        }

        #[test]
        fn no_bytes_whatever_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400), code in 100u16..600) {
            let _ = parse(&bytes);
            let text: Vec<u8> = bytes.into_iter().filter(|&byte| byte != b'\n').collect();
            let line = [format!("{code} ").into_bytes(), text, b"\r\n".to_vec()].concat();
            let reply = parse(&line).unwrap().unwrap();
            prop_assert_eq!(reply.code, code);
            prop_assert!(reply.lines[0].bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
