//! The worker process itself: `postern worker`.

use super::{confine, frame, protocol::*};
use inspect::Inspector;
use rules::{RuleSet, ScanOptions, Scanners};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a worker on the socket that is its standard input, until the daemon closes it.
///
/// # Errors
/// If the socket fails, or the daemon talks nonsense.
pub fn run() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut from = BufReader::with_capacity(256 << 10, socket.try_clone()?);
    serve(&mut from, &mut &socket)
}

fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let Some(setup) = frame::read::<Setup>(from)?.map(|frame| frame.head) else {
        return Ok(());
    };
    let mut confinement = confine::Confinement::default();
    confine::limit(setup.memory, &mut confinement);
    let rules = match RuleSet::load(&setup.rules, &setup.load) {
        Ok(rules) => rules,
        Err(error) => return frame::write(to, &Hello::Refused(error.to_string()), &[]),
    };
    confine::give_up_files_and_network(&mut confinement);
    let options = ScanOptions {
        timeout: setup.scan_timeout,
        ..ScanOptions::default()
    };
    let scanners = Scanners::new(&rules, &options);
    confine::give_up_system_calls(&mut confinement);
    silence_panics();
    let ready = Ready {
        digest: rules.digest().to_owned(),
        rules: rules.rules().to_vec(),
        warnings: rules.warnings().iter().map(ToString::to_string).collect(),
        confinement,
    };
    frame::write(to, &Hello::Ready(ready), &[])?;

    let mut inspector = Inspector::new(scanners, setup.limits);
    while let Some(request) = frame::read::<Request>(from)? {
        answer(&mut inspector, request, to)?;
    }
    Ok(())
}

fn answer(
    inspector: &mut Inspector<'_>,
    request: frame::Frame<Request>,
    to: &mut impl Write,
) -> io::Result<()> {
    let blob = |n: usize| request.blobs.get(n).map(Vec::as_slice).unwrap_or_default();
    // A panic must not take the worker with it, and the mail gets a failure instead of an answer.
    // The scanners may be in any state afterwards, but hold nothing that a next scan does not reset.
    let outcome = catch_unwind(AssertUnwindSafe(|| match &request.head {
        Request::Inspect { envelope } => {
            Answer::Inspected(Box::new(inspector.inspect(blob(0), envelope)))
        }
        Request::Judge { tenants, failures } => {
            Answer::Judged(inspector.judge(blob(0), blob(1), tenants, failures))
        }
    }));
    match outcome {
        Ok(Answer::Inspected(mut inspection)) => {
            let facts = std::mem::take(&mut inspection.facts);
            let text = std::mem::take(&mut inspection.text);
            frame::write(
                to,
                &Answer::Inspected(inspection),
                &[&facts, text.as_bytes()],
            )
        }
        Ok(answer) => frame::write(to, &answer, &[]),
        Err(_) => {
            let place = PANIC_PLACE.with(|place| place.take());
            frame::write(to, &Answer::Panicked(place), &[])
        }
    }
}

thread_local! {
    static PANIC_PLACE: std::cell::Cell<String> = const { std::cell::Cell::new(String::new()) };
}

/// Keeps the place of a panic and drops its message, which may quote the mail.
fn silence_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!("panic at {}:{}", l.file(), l.line()));
        PANIC_PLACE.with(|cell| cell.set(place.unwrap_or_else(|| "panic".to_owned())));
    }));
}
