//! The first exchange of a connection: what the MTA offers, and what is taken of it.

use crate::command::{Command, Offer};
use crate::options::{Asks, ServerOptions};
use crate::protocol::{Actions, Events, OLDEST_VERSION, VERSION};
use crate::response::{Response, wanted_macros};

/// Why there is no agreement with an MTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// It does not offer actions that the filter cannot do without.
    #[error(
        "the MTA does not offer {missing}, which the configuration needs (it offers {offered}); \
         check the MTA's milter settings"
    )]
    Actions {
        /// What is missing.
        missing: Actions,
        /// What is offered.
        offered: Actions,
    },
    /// Its version is too old.
    #[error("the MTA speaks milter protocol {0}; at least {OLDEST_VERSION} is needed")]
    Version(u32),
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement(Offer);

impl Agreement {
    /// Takes of `offer` what is wanted, never anything that is not offered.
    ///
    /// # Errors
    /// The version is too old, or a needed action is not offered.
    pub fn reach(offer: Offer, options: &ServerOptions) -> Result<Self, NegotiationError> {
        if offer.version < OLDEST_VERSION {
            return Err(NegotiationError::Version(offer.version));
        }
        let missing = options.needed.difference(offer.actions);
        if !missing.is_empty() {
            return Err(NegotiationError::Actions {
                missing,
                offered: offer.actions,
            });
        }
        let wanted = options.needed | options.wanted | Actions::SET_MACROS;
        Ok(Self(Offer {
            version: offer.version.min(VERSION),
            actions: wanted.intersection(offer.actions),
            events: wanted_events(options.asks).intersection(offer.events),
        }))
    }

    /// The answer to the offer, with macro lists if the MTA lets them be chosen.
    #[must_use]
    pub fn response(&self) -> Response {
        Response::Negotiated {
            taken: self.0,
            macros: if self.grants(Actions::SET_MACROS) {
                wanted_macros()
            } else {
                Vec::new()
            },
        }
    }

    /// Whether this may be done to messages.
    #[must_use]
    pub const fn grants(&self, actions: Actions) -> bool {
        self.0.actions.contains(actions)
    }

    /// Whether header values keep their leading space, in both directions.
    #[must_use]
    pub const fn leading_space(&self) -> bool {
        self.0.events.contains(Events::LEADING_SPACE)
    }

    /// Whether the rest of a body may be skipped.
    #[must_use]
    pub const fn may_skip(&self) -> bool {
        self.0.events.contains(Events::SKIP)
    }

    /// Whether the MTA waits for an answer to this command.
    #[must_use]
    pub fn expects_answer(&self, command: &Command) -> bool {
        let silence = match command {
            Command::Abort
            | Command::Macros { .. }
            | Command::Quit
            | Command::QuitNewConnection => return false,
            Command::EndOfMessage(_) | Command::Negotiate(_) => return true,
            Command::Body(_) => Events::SILENT_BODY,
            Command::Connect { .. } => Events::SILENT_CONNECT,
            Command::Data => Events::SILENT_DATA,
            Command::EndOfHeaders => Events::SILENT_END_OF_HEADERS,
            Command::Header { .. } => Events::SILENT_HEADER,
            Command::Helo(_) => Events::SILENT_HELO,
            Command::Mail(_) => Events::SILENT_MAIL,
            Command::Rcpt(_) => Events::SILENT_RCPT,
            Command::Unknown(_) => Events::SILENT_UNKNOWN,
        };
        !self.0.events.contains(silence)
    }
}

impl From<Offer> for Agreement {
    /// What an MTA concludes from the answer to its offer.
    fn from(taken: Offer) -> Self {
        Self(taken)
    }
}

/// Silence where there is never anything to say, and no events that say nothing.
fn wanted_events(asks: Asks) -> Events {
    let silent = |asked: bool, silence| if asked { Events::NONE } else { silence };
    Events::NO_UNKNOWN
        | Events::SKIP
        | Events::LEADING_SPACE
        | Events::SILENT_HELO
        | Events::SILENT_DATA
        | Events::SILENT_HEADER
        | Events::SILENT_END_OF_HEADERS
        | Events::SILENT_BODY
        | Events::SILENT_UNKNOWN
        | silent(asks.connect, Events::SILENT_CONNECT)
        | silent(asks.mail, Events::SILENT_MAIL)
        | silent(asks.rcpt, Events::SILENT_RCPT)
}
