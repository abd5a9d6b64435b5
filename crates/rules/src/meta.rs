//! What a rule says about itself: the `meta` section of our own rules, and its contract.

use serde::{Deserialize, Serialize};

/// Declares a closed set of words: the enum, its spelling, and the way back.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The word used in rules, in JSON and in configuration.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The value with this word, if there is one.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What kind of danger a rule speaks of.
    Category {
        /// Code that does harm when it runs.
        Malware = "malware",
        /// An attempt to obtain credentials or money.
        Phishing = "phishing",
        /// A sender who pretends to be somebody else.
        Spoof = "spoof",
        /// Unsolicited bulk mail.
        Spam = "spam",
        /// Something that is not wanted here, whoever sent it.
        Policy = "policy",
        /// A construction whose purpose is to escape inspection.
        Evasion = "evasion",
        /// Unusual, and not enough for one of the others.
        Suspicious = "suspicious",
    }
}

words! {
    /// The least that must be done with a mail that a rule hits, whatever its score.
    FloorAction {
        /// Deliver with a mark.
        Tag = "tag",
        /// Hold.
        Quarantine = "quarantine",
        /// Refuse with a notice to the sender.
        Reject = "reject",
        /// Accept and drop.
        Discard = "discard",
    }
}

words! {
    /// Whether the hits of a rule count.
    Stage {
        /// Hits count.
        Live = "live",
        /// Hits are recorded and shown, and never count.
        Shadow = "shadow",
    }
}

words! {
    /// Group of file types: the sub-directories that `rules/file` may have.
    Group {
        /// Archives: zip, 7z, rar, tar, gzip, …
        Archive = "archive",
        /// Images of disks: iso, img, vhd, …
        DiskImage = "disk-image",
        /// ELF programs and libraries.
        Elf = "elf",
        /// HTML.
        Html = "html",
        /// Pictures.
        Image = "image",
        /// Mach-O programs and libraries.
        Macho = "macho",
        /// Messages inside the message.
        Mail = "mail",
        /// Office documents, old and new, and RTF.
        Office = "office",
        /// OneNote sections.
        Onenote = "onenote",
        /// PDF.
        Pdf = "pdf",
        /// Windows programs and libraries.
        Pe = "pe",
        /// Scripts of any language.
        Script = "script",
        /// Links that a double click follows: lnk, url, desktop, …
        Shortcut = "shortcut",
        /// Plain text.
        Text = "text",
        /// Everything else.
        Other = "other",
    }
}
