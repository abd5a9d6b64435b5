//! The seam of the server: what a session is asked on behalf of its client, and what a client has said.
//!
//! The server knows the protocol: grammar, order, limits, TLS. Whether a recipient exists and where a
//! message goes is for whoever implements [`Service`].

use std::future::Future;
use std::net::SocketAddr;

use intake::Message;

use crate::reply::Reply;

/// What is behind a server. One value serves all connections.
pub trait Service: Send + Sync + 'static {
    /// What is kept for one connection.
    type Session: Session;

    /// What EHLO may offer of what is not the server's alone to answer for.
    fn offer(&self) -> Offer;

    /// A client is there, by its connection or by what XCLIENT says in its place. It has
    /// passed the limits of the server, but has said nothing yet. Cheap.
    ///
    /// # Errors
    /// The reply that is its greeting instead, 4yz or 5yz; the connection is closed after it.
    fn session(&self, peer: &Peer) -> Result<Self::Session, Reply>;
}

/// One connection's worth of [`Service`].
///
/// Replies are given to the client as they are. The server calls in the order of RFC 5321: `mail`,
/// `rcpt` once or more, `data`, `message`, `answered`; or `reset` in between. After `answered` the
/// transaction is over without a `reset`. It is dropped when the client is gone or is replaced by XCLIENT.
///
/// A panic in any of these is caught and becomes a 451 to the client.
pub trait Session: Send + 'static {
    /// MAIL. A 2yz begins the transaction.
    fn mail(&mut self, peer: &Peer, mail: &MailCommand) -> impl Future<Output = Reply> + Send;

    /// RCPT. A 2yz makes it one of the transaction's recipients.
    fn rcpt(&mut self, peer: &Peer, rcpt: &RcptCommand) -> impl Future<Output = Reply> + Send;

    /// DATA, when at least one recipient was accepted. What is returned is said in place of the
    /// go-ahead; the transaction stays as it is.
    fn data(&mut self) -> Option<Reply> {
        None
    }

    /// The whole message is there, with CRLF line ends and without stuffed dots. A 2yz takes
    /// responsibility for it. Dropped at the server's deadline for messages, and when the server is made to end.
    fn message(
        &mut self,
        peer: &Peer,
        message: Message,
        waiting: &mut impl Waiting,
    ) -> impl Future<Output = Reply> + Send;

    /// What became of the reply to the message: whether it was written to the client. Called exactly
    /// once for each `message` that returned, with the reply that was really written (the server's own
    /// if the deadline came first: then `message` has not returned, and this is called all the same).
    fn answered(&mut self, reply: &Reply, written: bool) -> impl Future<Output = ()> + Send;

    /// The transaction is given up: RSET, a new EHLO, STARTTLS, a refused message, QUIT within it.
    fn reset(&mut self) -> impl Future<Output = ()> + Send;
}

/// A client that waits for the reply to its message.
pub trait Waiting: Send {
    /// Without waiting: whether it is still there. To be asked right before responsibility is passed
    /// on, since what is delivered for a client that is gone is delivered again when it comes back.
    fn is_there(&mut self) -> impl Future<Output = bool> + Send;

    /// Completes when it is gone.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// Extensions that depend on what is behind the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
}

/// Who is at the other end of a connection, and what it has said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address: of the connection, or as PROXY or XCLIENT say. None on a unix socket.
    pub address: Option<SocketAddr>,
    /// The address of the connection itself, whatever PROXY or XCLIENT say.
    pub connected: Option<SocketAddr>,
    /// Its host name, as XCLIENT says. The server asks no name server.
    pub name: Option<String>,
    /// What it said in EHLO or HELO, as printable ASCII or UTF-8; at most 255 bytes.
    pub helo: Option<String>,
    /// Whether it said EHLO.
    pub esmtp: bool,
    /// TLS of the connection.
    pub tls: Option<Tls>,
    /// The user who has authenticated to the server in front, as XCLIENT says.
    pub login: Option<String>,
    /// The client of the server in front, as XFORWARD says. For the record and for scanning; it gives no rights.
    pub forwarded: Option<Forwarded>,
}

/// TLS of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// The cipher suite's name, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// What XFORWARD says of the client of the server in front (Postfix, XFORWARD_README). All of it is
/// printable ASCII or UTF-8 without controls, at most 255 bytes each; `None` is `[UNAVAILABLE]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// NAME.
    pub name: Option<String>,
    /// ADDR, with the prefix `IPV6:` removed.
    pub address: Option<String>,
    /// PORT.
    pub port: Option<u16>,
    /// PROTO, such as `ESMTP`.
    pub protocol: Option<String>,
    /// HELO.
    pub helo: Option<String>,
    /// IDENT: the queue id of the server in front.
    pub ident: Option<String>,
    /// SOURCE: `LOCAL` or `REMOTE`.
    pub source: Option<String>,
}

/// MAIL FROM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse-path without its brackets, byte for byte as given (source routes and quotes included);
    /// empty for the null sender. It cannot end its own command.
    pub path: String,
    /// All parameters, as given and in their order, `SIZE` and `BODY` included.
    pub parameters: Vec<Parameter>,
    /// SIZE (RFC 1870), in bytes.
    pub size: Option<u64>,
    /// Whether `BODY=8BITMIME` was given (RFC 6152).
    pub eight_bit_mime: bool,
    /// Whether SMTPUTF8 was given (RFC 6531).
    pub smtp_utf8: bool,
}

/// RCPT TO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptCommand {
    /// The forward-path without its brackets, byte for byte as given; never empty. It cannot end its own command.
    pub path: String,
    /// All parameters, as given and in their order.
    pub parameters: Vec<Parameter>,
}

/// A parameter of MAIL or RCPT (RFC 5321, 4.1.2): printable ASCII, or UTF-8 in a value under SMTPUTF8; no space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its keyword, as given.
    pub keyword: String,
    /// What follows its `=`.
    pub value: Option<String>,
}

impl Parameter {
    /// Whether it has this keyword, in whatever case.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }
}
