//! The whole: a sender, Postfix with the daemon as its milter, and the next hop.

use super::{Daemon, Postfix, Reply, Setup, Sink, submit};
use anyhow::Result;

/// Mail comes in at Postfix, which asks the daemon and relays to the sink. Held mail is released to
/// the same Postfix, as in the two-line hook-up of the README.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) postfix: Postfix,
    pub(crate) sink: Sink,
}

impl Site {
    /// Starts everything and waits until it serves.
    pub(crate) fn start(setup: Setup) -> Result<Site> {
        let sink = Sink::start()?;
        let postfix_port = super::free_port()?;
        let mut daemon = Daemon::prepare(setup, postfix_port)?;
        daemon.spawn()?;
        // Postfix starts while the daemon compiles its rules.
        let postfix = Postfix::start(postfix_port, daemon.milter(), sink.port())?;
        daemon.wait_until_it_serves()?;
        Ok(Site {
            daemon,
            postfix,
            sink,
        })
    }

    /// Sends a mail from and to the usual people.
    pub(crate) fn send(&self, message: &[u8]) -> Result<Reply> {
        self.send_to(&["bob@rcpt.example"], message)
    }

    /// Sends a mail to these recipients.
    pub(crate) fn send_to(&self, rcpts: &[&str], message: &[u8]) -> Result<Reply> {
        submit(self.postfix.port(), "alice@sender.example", rcpts, message)
    }
}
