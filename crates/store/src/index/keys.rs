//! Keys of the index. Numbers are big-endian, so that keys sort; everything that a sender can choose
//! is hashed, so that keys are short.

use crate::{EntryId, EntryStateName, MailId};
use sha2::{Digest, Sha256};

/// Schema of keys and values. An index of another schema is built anew.
pub(crate) const SCHEMA: u32 = 1;

pub(crate) const META_SCHEMA: &[u8] = b"m/schema";
pub(crate) const META_APPLIED: &[u8] = b"m/applied";
pub(crate) const META_COUNTS: &[u8] = b"m/counts";
/// Present once an index has everything, so that an unfinished build is never taken for one.
pub(crate) const META_COMPLETE: &[u8] = b"m/complete";

/// What a secondary index is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    Action = 1,
    LinkHost = 2,
    MessageId = 3,
    QueueId = 4,
    Rcpt = 5,
    RcptDomain = 6,
    Rule = 7,
    Sender = 8,
    SenderDomain = 9,
    Sha256 = 10,
    Tenant = 11,
}

/// Octets of a mail's id in a key.
pub(crate) const ID: usize = 16;
/// Octets of a mail's place in time: received, then id.
pub(crate) const MAIL_PLACE: usize = 8 + ID;
/// Octets of an entry's place in time.
pub(crate) const ENTRY_PLACE: usize = MAIL_PLACE + 2;

pub(crate) fn record(id: &MailId) -> Vec<u8> {
    [b"v".as_slice(), &id_bytes(id)].concat()
}

pub(crate) fn answered(id: &MailId) -> Vec<u8> {
    [b"a".as_slice(), &id_bytes(id)].concat()
}

pub(crate) fn entry(id: &EntryId) -> Vec<u8> {
    [entries_of(id.mail()).as_slice(), &id.group().to_be_bytes()].concat()
}

/// What the keys of all entries of a mail begin with.
pub(crate) fn entries_of(id: &MailId) -> Vec<u8> {
    [b"e".as_slice(), &id_bytes(id)].concat()
}

pub(crate) fn policy(digest: &str) -> Vec<u8> {
    [b"p".as_slice(), &hash(digest)].concat()
}

pub(crate) fn rules(digest: &str) -> Vec<u8> {
    [b"r".as_slice(), &hash(digest)].concat()
}

/// What the keys of all mails in order of time begin with.
pub(crate) fn all_mails() -> Vec<u8> {
    b"t".to_vec()
}

/// What the keys of all mails that share something begin with.
pub(crate) fn mails_by(by: By, key: &str) -> Vec<u8> {
    [b"i".as_slice(), &[by as u8], &hash(key)].concat()
}

/// What the keys of entries of one state, or of all, begin with.
pub(crate) fn entries_in(state: Option<EntryStateName>) -> Vec<u8> {
    let state = match state {
        None => 0,
        Some(EntryStateName::Held) => 1,
        Some(EntryStateName::Releasing) => 2,
        Some(EntryStateName::Unknown) => 3,
        Some(EntryStateName::Released) => 4,
        Some(EntryStateName::Deleted) => 5,
    };
    vec![b's', state]
}

/// A moment, so that earlier sorts before later.
pub(crate) fn moment(ms: i64) -> [u8; 8] {
    (ms ^ i64::MIN).to_be_bytes()
}

pub(crate) fn mail_place(received: i64, id: &MailId) -> [u8; MAIL_PLACE] {
    let mut place = [0; MAIL_PLACE];
    place[..8].copy_from_slice(&moment(received));
    place[8..].copy_from_slice(&id_bytes(id));
    place
}

pub(crate) fn entry_place(received: i64, id: &EntryId) -> [u8; ENTRY_PLACE] {
    let mut place = [0; ENTRY_PLACE];
    place[..MAIL_PLACE].copy_from_slice(&mail_place(received, id.mail()));
    place[MAIL_PLACE..].copy_from_slice(&id.group().to_be_bytes());
    place
}

/// A place back from the end of a key: received, id, and the group if it is an entry's.
pub(crate) fn read_place(place: &[u8]) -> Option<(i64, MailId, u16)> {
    let received = i64::from_be_bytes(place.get(..8)?.try_into().ok()?) ^ i64::MIN;
    let id = u128::from_be_bytes(place.get(8..MAIL_PLACE)?.try_into().ok()?);
    let group = match place.get(MAIL_PLACE..)? {
        [] => 0,
        group => u16::from_be_bytes(group.try_into().ok()?),
    };
    Some((received, MailId::from_number(id), group))
}

fn id_bytes(id: &MailId) -> [u8; ID] {
    id.number().to_be_bytes()
}

/// The first 16 octets of SHA-256. A collision costs a look at one record too many, no more, since
/// what is found is compared.
fn hash(key: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}
