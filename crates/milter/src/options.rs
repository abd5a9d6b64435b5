//! What a server is given: needs, bounds and times.

use std::path::PathBuf;
use std::time::Duration;

use crate::frame::FRAME_BYTES;
use crate::protocol::Actions;

/// The options of [`serve`](crate::serve()). All bounds are per connection unless they say otherwise.
///
/// What a connection costs at most, not counting a message that the filter is working on:
/// `spill_bytes` and one frame for the message, `header_bytes` for the list of its fields,
/// `envelope_bytes`, 1 MiB of macros, and twice `frame_bytes` for reading. With the defaults that
/// is 6 MB for an MTA that breaks every rule, and 2 MB for a hostile mail that comes through one
/// that does not; an ordinary connection costs 100 KB.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Actions without which the filter is of no use. An MTA that does not offer all of them is
    /// refused with an error in the log: better no mail than mail that is silently not tagged.
    pub needed: Actions,
    /// Actions that are taken if they are offered, besides those that are needed.
    pub wanted: Actions,
    /// Which questions the filter wants to be asked.
    pub asks: Asks,
    /// Open connections, all together. One more is closed at once, which defers its mail. Postfix
    /// has one for each smtpd process, 100 by default (`default_process_limit`).
    pub connections: usize,
    /// Frames, in bytes; a longer one ends the connection.
    pub frame_bytes: usize,
    /// Recipients of a message; one more gets a 452.
    pub recipients: usize,
    /// Addresses and parameters of a message together, in bytes, counting 32 for each.
    pub envelope_bytes: usize,
    /// Header fields of a message; see [`Filter::over_limit`](crate::Filter::over_limit).
    pub headers: usize,
    /// The header section, in bytes.
    pub header_bytes: usize,
    /// A message, in bytes.
    pub message_bytes: u64,
    /// The part of a message that stays in memory, in bytes; beyond it goes to a file.
    pub spill_bytes: usize,
    /// The directory of these files. They have no name and vanish with the process.
    pub spill_directory: PathBuf,
    /// How often a waiting MTA is told to go on waiting. Postfix gives up after 300 s of silence
    /// (`milter_content_timeout`).
    pub progress_interval: Duration,
    /// When a message is deferred though the filter still works on it. It must stay below all
    /// patience of MTAs and clients; the filter's own deadline should come earlier.
    pub message_deadline: Duration,
    /// How long a new connection may take to its first command.
    pub negotiation_timeout: Duration,
    /// How long the MTA may be silent. It waits for its SMTP client meanwhile, sendmail up to an
    /// hour, so this only clears away connections whose MTA is gone.
    pub idle_timeout: Duration,
    /// How long writing an answer may take.
    pub write_timeout: Duration,
    /// How long running transactions may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// Acknowledge at once what was read from TCP. Without it Nagle's algorithm on the MTA's side
    /// waits for the delayed acknowledgement of this side: 40 ms a mail, measured.
    pub quickack: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            needed: Actions::NONE,
            wanted: Actions::ADD_HEADERS
                | Actions::CHANGE_BODY
                | Actions::ADD_RECIPIENT
                | Actions::DELETE_RECIPIENT
                | Actions::CHANGE_HEADERS
                | Actions::QUARANTINE
                | Actions::CHANGE_SENDER
                | Actions::ADD_RECIPIENT_PARAMETERS,
            asks: Asks::default(),
            connections: 256,
            frame_bytes: FRAME_BYTES,
            recipients: 2_000,
            envelope_bytes: 512 * 1024,
            headers: 5_000,
            header_bytes: 1 << 20,
            message_bytes: 100 << 20,
            spill_bytes: 512 * 1024,
            spill_directory: std::env::temp_dir(),
            progress_interval: Duration::from_secs(10),
            message_deadline: Duration::from_secs(60),
            negotiation_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(7_200),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(60),
            quickack: true,
        }
    }
}

/// Which of its questions a filter wants to be asked. What is not asked is not answered where the
/// MTA can do without, which saves it a wait per command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// [`Filter::connect`](crate::Filter::connect).
    pub connect: bool,
    /// [`Filter::mail`](crate::Filter::mail).
    pub mail: bool,
    /// [`Filter::rcpt`](crate::Filter::rcpt).
    pub rcpt: bool,
}

impl Default for Asks {
    /// All of them.
    fn default() -> Self {
        Self {
            connect: true,
            mail: true,
            rcpt: true,
        }
    }
}
