//! The numbers of milter protocol 6: version, action bits, event bits, macro stages.

use std::fmt;
use std::ops::BitOr;

/// The highest protocol version spoken here.
pub const VERSION: u32 = 6;

/// The lowest version accepted: version 2 is what sendmail 8.10 and Postfix 2.3 began with.
pub const OLDEST_VERSION: u32 = 2;

/// The largest body chunk of either direction, in bytes.
pub const BODY_CHUNK: usize = 65_535;

/// Declares a set of named bits with the few operations that negotiation needs.
macro_rules! bits {
    ($(#[$doc:meta])* $name:ident { $($(#[$bit_doc:meta])* $bit:ident = $shift:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name(u32);

        impl $name {
            /// No bit at all.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self(1 << $shift);)*

            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$bit, stringify!($bit)),)*];

            /// The bits as they are on the wire, unknown ones included.
            #[must_use]
            pub const fn from_wire(bits: u32) -> Self {
                Self(bits)
            }

            /// The bits for the wire.
            #[must_use]
            pub const fn to_wire(self) -> u32 {
                self.0
            }

            /// Whether every bit of `other` is set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits that are in both.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The bits that are in either.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The bits of `self` that `other` lacks.
            #[must_use]
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether no bit is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl fmt::Display for $name {
            /// The names of the bits, separated by `|`; unknown bits as one hexadecimal number.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut unknown = *self;
                let mut separator = "";
                for (bit, name) in Self::NAMES {
                    if self.contains(*bit) {
                        write!(f, "{separator}{name}")?;
                        separator = "|";
                        unknown = unknown.difference(*bit);
                    }
                }
                if !unknown.is_empty() || separator.is_empty() {
                    write!(f, "{separator}{:#x}", unknown.0)?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

bits! {
    /// What the filter may do to a message (`SMFIF_*`). The MTA offers, the filter takes a subset.
    Actions {
        /// Add and insert header fields.
        ADD_HEADERS = 0,
        /// Replace the body.
        CHANGE_BODY = 1,
        /// Add recipients.
        ADD_RECIPIENT = 2,
        /// Remove recipients.
        DELETE_RECIPIENT = 3,
        /// Change and delete header fields.
        CHANGE_HEADERS = 4,
        /// Have the MTA hold the message.
        QUARANTINE = 5,
        /// Change the envelope sender.
        CHANGE_SENDER = 6,
        /// Add recipients with ESMTP parameters.
        ADD_RECIPIENT_PARAMETERS = 7,
        /// Choose the macros that are sent.
        SET_MACROS = 8,
    }
}

bits! {
    /// What the MTA leaves out and which answers it does not wait for (`SMFIP_*`).
    ///
    /// `SILENT_x` (`SMFIP_NR_*`) means that the filter never answers `x`. An answer all the same
    /// would be taken for the answer to the next command, from there on every answer is one late.
    Events {
        /// Do not send CONNECT.
        NO_CONNECT = 0,
        /// Do not send HELO.
        NO_HELO = 1,
        /// Do not send MAIL.
        NO_MAIL = 2,
        /// Do not send RCPT.
        NO_RCPT = 3,
        /// Do not send the body.
        NO_BODY = 4,
        /// Do not send header fields.
        NO_HEADERS = 5,
        /// Do not send the end of the header section.
        NO_END_OF_HEADERS = 6,
        /// Header fields are not answered.
        SILENT_HEADER = 7,
        /// Do not send unknown SMTP commands.
        NO_UNKNOWN = 8,
        /// Do not send DATA.
        NO_DATA = 9,
        /// The answer "skip" is understood.
        SKIP = 10,
        /// Send rejected recipients, too.
        REJECTED_RECIPIENTS = 11,
        /// CONNECT is not answered.
        SILENT_CONNECT = 12,
        /// HELO is not answered.
        SILENT_HELO = 13,
        /// MAIL is not answered.
        SILENT_MAIL = 14,
        /// RCPT is not answered.
        SILENT_RCPT = 15,
        /// DATA is not answered.
        SILENT_DATA = 16,
        /// Unknown SMTP commands are not answered.
        SILENT_UNKNOWN = 17,
        /// The end of the header section is not answered.
        SILENT_END_OF_HEADERS = 18,
        /// Body chunks are not answered.
        SILENT_BODY = 19,
        /// Header values keep the space after the colon, in both directions.
        LEADING_SPACE = 20,
    }
}

/// The points of a session at which the MTA sends macros, with their numbers in a macro request.
///
/// Ordered as a session passes through them, which is not the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MacroStage {
    /// Before CONNECT.
    Connect,
    /// Before HELO.
    Helo,
    /// Before MAIL.
    Mail,
    /// Before each RCPT.
    Rcpt,
    /// Before DATA.
    Data,
    /// Before the end of the header section.
    EndOfHeaders,
    /// Before the end of the message.
    EndOfMessage,
}

impl MacroStage {
    /// Every stage, in the order of a session.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Helo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::EndOfHeaders,
        Self::EndOfMessage,
    ];

    /// The stage's number in the macro request of a negotiation answer.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Connect => 0,
            Self::Helo => 1,
            Self::Mail => 2,
            Self::Rcpt => 3,
            Self::Data => 4,
            Self::EndOfMessage => 5,
            Self::EndOfHeaders => 6,
        }
    }

    /// The letter of the command that the macros belong to.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::Connect => b'C',
            Self::Helo => b'H',
            Self::Mail => b'M',
            Self::Rcpt => b'R',
            Self::Data => b'T',
            Self::EndOfHeaders => b'N',
            Self::EndOfMessage => b'E',
        }
    }

    /// The stage of a command letter; `None` for the commands whose macros nobody needs.
    #[must_use]
    pub fn of_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.letter() == letter)
    }

    /// What is asked for. Every stage must be listed: as soon as an MTA has seen one list it
    /// empties all the others. The client's address, name and port are in no default list.
    #[must_use]
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Connect => {
                "j {daemon_name} {daemon_addr} {client_addr} {client_name} {client_port} {client_ptr}"
            }
            Self::Helo => "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
            // The TLS macros again: a client may start TLS and not say EHLO a second time.
            Self::Mail => {
                "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer} \
                 {tls_version} {cipher} {cipher_bits}"
            }
            Self::Rcpt => "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
            // The queue id may come into being as late as the first recipient or DATA.
            Self::Data | Self::EndOfHeaders | Self::EndOfMessage => "i",
        }
    }
}
