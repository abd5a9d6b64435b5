//! A mail inside a mail: a container like any other.

use mail::Message;

use crate::opened::{Opened, Source};

pub(crate) fn open(source: Source<'_>, opened: &mut Opened<'_, '_>) {
    let message = Message::parse(source.bytes, &opened.limits().mail);
    opened.mail(&message, source.shown);
}
