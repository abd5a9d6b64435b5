//! The requests. Every body and answer is JSON, but for [`raw`]'s answer.
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET /v1/version` | – | [`VersionInfo`](crate::version::VersionInfo) |
//! | `GET /v1/status` | – | [`Status`](crate::Status) |
//! | `POST /v1/quarantine/list` | [`ListRequest`](crate::ListRequest) | [`Page`](crate::Page)`<`[`EntrySummary`](crate::EntrySummary)`>` |
//! | `GET /v1/quarantine/{id}` | – | [`EntryDetails`](crate::EntryDetails) |
//! | `GET /v1/quarantine/{id}/raw` | – | the message, `application/octet-stream` with `content-length` |
//! | `POST /v1/quarantine/release` | [`ReleaseRequest`](crate::ReleaseRequest) | [`BatchResult`](crate::BatchResult) |
//! | `POST /v1/quarantine/delete` | [`DeleteRequest`](crate::DeleteRequest) | [`BatchResult`](crate::BatchResult) |
//! | `POST /v1/verdicts/list` | [`ListRequest`](crate::ListRequest) | [`Page`](crate::Page)`<`[`VerdictSummary`](crate::VerdictSummary)`>` |
//! | `GET /v1/verdicts/{id}` | – | [`VerdictDetail`](crate::VerdictDetail) |
//! | `GET /v1/verdicts/{id}/explain` | – | [`Explanation`](crate::Explanation) |
//! | `GET /v1/rules` | – | [`RuleList`](crate::RuleList) |
//! | `POST /v1/rules/reload` | – | [`ReloadResult`](crate::ReloadResult) |
//! | `POST /v1/store/rebuild` | – | [`RebuildStatus`](crate::RebuildStatus): starts one, or says how the running one stands |
//! | `GET /v1/store/rebuild` | – | [`RebuildStatus`](crate::RebuildStatus) of the running or the last one |
//! | `POST /v1/audit/verify` | – | [`AuditReport`](crate::AuditReport) |
//!
//! `{id}` is a mail's id or an entry's id. Lists are asked for with POST because what they search
//! for may be any text, and a body needs no second encoding.
//!
//! An answer with another status than 200 has an [`ErrorBody`](crate::ErrorBody): 400 a request that
//! cannot be understood, 403 a peer that may not, 404 an id that is not known, 409 a state that does
//! not allow it, 413 a body that is too long, 422 rules that do not compile, 426 another major
//! version, 500 the daemon's own fault, 503 draining or still starting.

/// `GET`.
pub const VERSION: &str = "/v1/version";
/// `GET`.
pub const STATUS: &str = "/v1/status";
/// `POST`.
pub const QUARANTINE_LIST: &str = "/v1/quarantine/list";
/// `POST`.
pub const QUARANTINE_RELEASE: &str = "/v1/quarantine/release";
/// `POST`.
pub const QUARANTINE_DELETE: &str = "/v1/quarantine/delete";
/// `GET`; the server's template, see [`entry`].
pub const QUARANTINE_ENTRY: &str = "/v1/quarantine/{id}";
/// `GET`; the server's template, see [`raw`].
pub const QUARANTINE_RAW: &str = "/v1/quarantine/{id}/raw";
/// `POST`.
pub const VERDICT_LIST: &str = "/v1/verdicts/list";
/// `GET`; the server's template, see [`verdict`].
pub const VERDICT: &str = "/v1/verdicts/{id}";
/// `GET`; the server's template, see [`explain`].
pub const VERDICT_EXPLAIN: &str = "/v1/verdicts/{id}/explain";
/// `GET`.
pub const RULES: &str = "/v1/rules";
/// `POST`.
pub const RULES_RELOAD: &str = "/v1/rules/reload";
/// `POST` starts, `GET` asks.
pub const STORE_REBUILD: &str = "/v1/store/rebuild";
/// `POST`.
pub const AUDIT_VERIFY: &str = "/v1/audit/verify";

/// The path of an entry, if `id` can be one at all.
pub fn entry(id: &str) -> Option<String> {
    is_id(id).then(|| format!("/v1/quarantine/{id}"))
}

/// The path of an entry's message.
pub fn raw(id: &str) -> Option<String> {
    is_id(id).then(|| format!("/v1/quarantine/{id}/raw"))
}

/// The path of a mail's verdict record.
pub fn verdict(id: &str) -> Option<String> {
    is_id(id).then(|| format!("/v1/verdicts/{id}"))
}

/// The path of a verdict's explanation.
pub fn explain(id: &str) -> Option<String> {
    is_id(id).then(|| format!("/v1/verdicts/{id}/explain"))
}

/// Octets of a mail's id.
const MAIL_ID: usize = 26;

/// Whether this looks like the id of a mail or of an entry, so that nothing else becomes part of a
/// path: 26 characters of lower-case Crockford base32, and `-` with a number for an entry.
pub fn is_id(text: &str) -> bool {
    let Some((mail, rest)) = text.split_at_checked(MAIL_ID) else {
        return false;
    };
    let crockford = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z') && !b"ilou".contains(&b);
    let group = |number: &str| {
        number
            .parse::<u16>()
            .is_ok_and(|n| n > 0 && n.to_string() == number)
    };
    mail.bytes().all(crockford) && (rest.is_empty() || rest.strip_prefix('-').is_some_and(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_become_part_of_a_path() {
        let mail = "0".repeat(MAIL_ID);
        assert_eq!(
            entry(&format!("{mail}-2")),
            Some(format!("/v1/quarantine/{mail}-2"))
        );
        assert_eq!(verdict(&mail), Some(format!("/v1/verdicts/{mail}")));
        for bad in [
            "",
            "../../etc/passwd",
            "list",
            "release",
            "%2e%2e",
            "é0000000000000000000000000",
        ] {
            assert_eq!(entry(bad), None, "{bad}");
        }
        for tail in ["-", "-0", "-01", "-+1", "-1-1", "-65536", "/raw", "\n", "x"] {
            assert_eq!(raw(&format!("{mail}{tail}")), None, "{tail}");
        }
        assert_eq!(explain(&"O".repeat(MAIL_ID)), None);
    }
}
