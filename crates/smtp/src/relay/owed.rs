//! A decision that its filter must still hear the end of.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use intake::caught;
use tokio::runtime::Handle;

use super::filter::{Answered, Filter, NextHopAnswer};
use super::replies;
use crate::reply::Reply;

/// A ticket, and what is known so far of what became of it. If it is dropped before [`Self::settle`], the
/// filter is told all the same: then the client was told nothing.
pub(super) struct Owed<F: Filter> {
    filter: Arc<F>,
    ticket: Option<F::Ticket>,
    /// What the next hop said. It is set before the dot is sent, so that a session that is cut off
    /// afterwards leaves the truth: it may have been delivered.
    pub(super) next_hop: Option<NextHopAnswer>,
}

impl<F: Filter> Owed<F> {
    pub(super) fn new(filter: Arc<F>, ticket: F::Ticket) -> Self {
        Self {
            filter,
            ticket: Some(ticket),
            next_hop: None,
        }
    }

    /// Tells the filter. Once begun it goes on to its end, also if the caller is dropped.
    pub(super) async fn settle(mut self, reply: Reply, written: bool) {
        if let Some(telling) = self.telling(reply, written) {
            telling.await;
        }
    }

    fn telling(&mut self, reply: Reply, written: bool) -> Option<Telling> {
        let ticket = self.ticket.take()?;
        let filter = Arc::clone(&self.filter);
        let answered = Answered {
            reply,
            written,
            next_hop: self.next_hop.take(),
        };
        Some(Telling::new(async move {
            let told = caught(async { filter.answered(ticket, answered).await }).await;
            if told.is_none() {
                tracing::error!("the filter panicked when it was told of an answer");
            }
        }))
    }
}

impl<F: Filter> Drop for Owed<F> {
    fn drop(&mut self) {
        if let Some(mut telling) = self.telling(replies::cut_off(), false) {
            // A runtime that shuts down drops what it is given before it polls it. What a filter does without waiting
            // happens even then.
            let mut context = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut telling).poll(&mut context);
        }
    }
}

/// Work that is handed to the runtime if it is dropped unfinished.
struct Telling {
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Telling {
    fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            rest: Some(Box::pin(work)),
        }
    }
}

impl Future for Telling {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = self.rest.as_mut() else {
            return Poll::Ready(());
        };
        let poll = work.as_mut().poll(context);
        if poll.is_ready() {
            self.rest = None;
        }
        poll
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(rest)),
            Err(_) => tracing::error!("no runtime is left to tell the filter of an answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::filter::{Decision, Mail};
    use std::sync::Mutex;
    use tokio::sync::Notify;

    /// Writes down what it is told: at once, or when it may go on.
    #[derive(Default)]
    struct Listener {
        told: Mutex<Vec<(u32, u16, bool)>>,
        go_on: Option<Notify>,
        done: Notify,
    }

    impl Filter for Listener {
        type Ticket = u32;

        async fn message(&self, _: Mail) -> Decision<u32> {
            std::future::pending().await
        }

        async fn answered(&self, ticket: u32, answered: Answered) {
            if let Some(go_on) = &self.go_on {
                go_on.notified().await;
            }
            let told = (ticket, answered.reply.code, answered.written);
            self.told.lock().unwrap().push(told);
            self.done.notify_one();
            assert!(ticket != 13, "a filter that panics");
        }
    }

    fn ok() -> Reply {
        Reply::new(250, "2.0.0", "Ok")
    }

    #[tokio::test]
    async fn an_answer_is_told_once() {
        let filter = Arc::new(Listener::default());
        Owed::new(Arc::clone(&filter), 1).settle(ok(), true).await;
        tokio::task::yield_now().await;
        assert_eq!(*filter.told.lock().unwrap(), [(1, 250, true)]);
    }

    #[tokio::test]
    async fn an_answer_that_was_never_given_is_told_as_such() {
        let filter = Arc::new(Listener::default());
        drop(Owed::new(Arc::clone(&filter), 1));
        tokio::task::yield_now().await;
        assert_eq!(*filter.told.lock().unwrap(), [(1, 451, false)]);
    }

    #[tokio::test]
    async fn telling_goes_on_when_its_caller_is_gone() {
        let filter = Arc::new(Listener {
            go_on: Some(Notify::new()),
            ..Listener::default()
        });
        let mut settling = Box::pin(Owed::new(Arc::clone(&filter), 1).settle(ok(), true));
        let mut context = Context::from_waker(Waker::noop());
        assert!(settling.as_mut().poll(&mut context).is_pending());
        drop(settling);
        drop(Owed::new(Arc::clone(&filter), 2));
        for _ in 0..2 {
            filter.go_on.as_ref().unwrap().notify_one();
            filter.done.notified().await;
        }
        let mut told = filter.told.lock().unwrap().clone();
        told.sort_unstable();
        assert_eq!(told, [(1, 250, true), (2, 451, false)]);
    }

    #[test]
    fn without_a_runtime_what_needs_no_waiting_is_done() {
        let filter = Arc::new(Listener::default());
        drop(Owed::new(Arc::clone(&filter), 1));
        assert_eq!(*filter.told.lock().unwrap(), [(1, 451, false)]);
    }

    #[tokio::test]
    async fn a_filter_that_panics_harms_nobody() {
        let filter = Arc::new(Listener::default());
        drop(Owed::new(Arc::clone(&filter), 13));
        Owed::new(Arc::clone(&filter), 13).settle(ok(), true).await;
        assert_eq!(filter.told.lock().unwrap().len(), 2);
    }
}
