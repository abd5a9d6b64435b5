//! URLs as pure string logic: one canonical form, what is odd about how a URL is written, and where
//! URLs stand in a text. Nothing here resolves, fetches or reads anything.
//!
//! A mail program, a browser and a block list rarely agree on what an odd URL means, and attackers
//! live in the difference. So a URL is split the way a browser does it (WHATWG), its components are
//! canonicalised the way block lists do it (Safe Browsing), and where another reading leads to
//! another host, that reading is kept beside the first: see [`Canonical::readings`].

mod address;
mod authority;
mod canonical;
mod display;
mod escape;
mod expressions;
mod flag;
mod host;
mod lookup;
mod suffix;
mod text;

pub use canonical::{Canonical, LONG_URL_BYTES, MAX_URL_BYTES, canonicalise, canonicalise_in};
pub use display::{displayed, text_differs};
pub use expressions::{Hosts, expressions};
pub use flag::Flag;
pub use lookup::{LookupForm, lookup_form};
pub use suffix::{Registrable, registrable};
pub use text::{DEFAULT_BOUND, Found, InText, find_in_text};
