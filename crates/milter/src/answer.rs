//! Turns a decision into the bytes that are written for it, all in one piece.

use std::cmp::Reverse;

use bytes::{Bytes, BytesMut};

use crate::filter::{AnswerError, Edit, Reply};
use crate::negotiation::Agreement;
use crate::response::Response;
use crate::text::ReplyText;

/// All edits and the final reply as frames, in the order that MTAs need: header and envelope
/// edits, then the body (Postfix locks the message while a body is replaced), then the reply.
///
/// Edits of a message that is not passed are left out. Postfix would carry them out and drop the
/// message afterwards, and the quarantine among them would stop it from being refused.
///
/// # Errors
/// The MTA did not grant what an edit needs, or a quarantine goes with a refusal. Nothing of the
/// decision may be sent then.
pub(crate) fn encode_decision(
    edits: &[Edit],
    reply: &Reply,
    agreement: &Agreement,
) -> Result<BytesMut, AnswerError> {
    let passes = matches!(reply, Reply::Accept | Reply::Continue);
    let mut target = BytesMut::new();
    if passes {
        for edit in in_safe_order(edits) {
            let action = edit.action();
            if !agreement.grants(action) {
                return Err(AnswerError::NotGranted(action));
            }
            encode_edit(edit, agreement, &mut target);
        }
    } else if edits.iter().any(|edit| matches!(edit, Edit::Quarantine(_))) {
        return Err(AnswerError::QuarantineRefused);
    }
    response(reply).encode(&mut target);
    Ok(target)
}

/// The wire form of a reply.
pub(crate) fn response(reply: &Reply) -> Response {
    match reply {
        Reply::Accept => Response::Accept,
        Reply::Continue => Response::Continue,
        Reply::Custom(text) => Response::ReplyCode(text.wire()),
        Reply::Discard => Response::Discard,
        Reply::Reject => Response::Reject,
        Reply::Shutdown => shutdown(),
        Reply::Tempfail => Response::Tempfail,
    }
}

/// A 421, behind which MTAs end the SMTP session.
///
/// Not [`Response::Shutdown`]: Postfix 3.7 answers the end of a message with a 250 then and has
/// dropped the message (measured).
fn shutdown() -> Response {
    Response::ReplyCode(ReplyText::fixed(421, "4.3.2", "Service not available").wire())
}

fn in_safe_order(edits: &[Edit]) -> Vec<&Edit> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    // The sort is stable: what has the same key keeps its order.
    ordered.sort_by_key(|edit| match edit {
        Edit::ChangeHeader { occurrence, .. } => (0, Reverse(*occurrence)),
        Edit::ReplaceBody(_) => (2, Reverse(0)),
        _ => (1, Reverse(0)),
    });
    ordered
}

fn encode_edit(edit: &Edit, agreement: &Agreement, target: &mut BytesMut) {
    let space = agreement.leading_space();
    match edit {
        Edit::AddHeader { name, value } => Response::AddHeader {
            name: name.wire(),
            value: value.wire(space),
        },
        Edit::AddRecipient {
            address,
            parameters,
        } if parameters.is_empty() => Response::AddRecipient(address.wire()),
        Edit::AddRecipient {
            address,
            parameters,
        } => Response::AddRecipientParameters {
            address: address.wire(),
            parameters: parameters.wire(),
        },
        Edit::ChangeHeader {
            occurrence,
            name,
            value,
        } => Response::ChangeHeader {
            occurrence: (*occurrence).max(1),
            name: name.wire(),
            value: value
                .as_ref()
                .map_or_else(Bytes::new, |value| value.wire(space)),
        },
        Edit::ChangeSender {
            address,
            parameters,
        } => Response::ChangeSender {
            address: address.wire(),
            parameters: parameters.wire(),
        },
        Edit::DeleteRecipient(address) => Response::DeleteRecipient(address.wire()),
        Edit::InsertHeader { index, name, value } => Response::InsertHeader {
            index: *index,
            name: name.wire(),
            value: value.wire(space),
        },
        Edit::Quarantine(reason) => Response::Quarantine(reason.wire()),
        Edit::ReplaceBody(body) => {
            for chunk in body.chunks() {
                Response::ReplaceBody(chunk).encode(target);
            }
            return;
        }
    }
    .encode(target);
}

#[cfg(test)]
mod tests;
