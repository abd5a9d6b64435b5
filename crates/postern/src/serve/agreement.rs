//! Whether mail servers grant what the configuration needs of them.

use arc_swap::ArcSwapOption;
use milter::NegotiationError;
use std::sync::Arc;

/// The last mail server that did not, if none has since.
#[derive(Debug, Default)]
pub(super) struct MtaAgreement {
    missing: ArcSwapOption<Missing>,
}

#[derive(Debug)]
struct Missing {
    when: jiff::Timestamp,
    peer: String,
    error: NegotiationError,
}

impl MtaAgreement {
    /// A mail server at `peer` does not grant what is needed.
    pub(super) fn refused(&self, peer: &str, error: &NegotiationError) {
        self.missing.store(Some(Arc::new(Missing {
            when: jiff::Timestamp::now(),
            peer: peer.to_owned(),
            error: *error,
        })));
    }

    /// A mail server does. That is so for nearly every connection, so that it must cost nothing.
    pub(super) fn agreed(&self) {
        if self.missing.load().is_some() {
            self.missing.store(None);
        }
    }

    /// What an operator has to look at.
    pub(super) fn problem(&self) -> Option<String> {
        let missing = self.missing.load();
        let Missing { when, peer, error } = missing.as_deref()?;
        // To the second, as all times that are shown.
        let when = when.strftime("%Y-%m-%dT%H:%M:%SZ");
        Some(format!(
            "{peer}: no mail is taken from this mail server, last tried at {when}: {error}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use milter::Actions;

    #[test]
    fn a_mail_server_that_grants_too_little_is_a_problem_until_one_grants_enough() {
        let mta = MtaAgreement::default();
        assert_eq!(mta.problem(), None);
        let error = NegotiationError::Actions {
            missing: Actions::QUARANTINE,
            offered: Actions::NONE,
        };
        mta.refused("192.0.2.1:1234", &error);
        let problem = mta.problem().expect("a problem");
        assert!(problem.starts_with("192.0.2.1:1234: "), "{problem}");
        assert!(
            problem.contains(&Actions::QUARANTINE.to_string()),
            "{problem}"
        );
        mta.agreed();
        assert_eq!(mta.problem(), None);
    }
}
