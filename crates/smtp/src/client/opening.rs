//! The beginning of a session: greeting, EHLO, and TLS where that is wanted.

use crate::client::extensions::Extensions;
use crate::client::target::{Protocol, Target};
use crate::client::wire::{Stream, Wire};
use crate::error::{Error, ProtocolProblem, Stage};
use crate::reply::{Reply, printable};
use crate::service::Tls;
use crate::tls::TlsLevel;

/// How much of what a server injects is shown, in bytes.
const SHOWN: usize = 80;

/// A session that is ready for its first transaction.
pub(crate) struct Opened {
    pub(crate) wire: Wire,
    pub(crate) extensions: Extensions,
    pub(crate) tls: Option<Tls>,
}

/// Takes a connected stream through greeting, EHLO and STARTTLS.
pub(crate) async fn open(stream: Box<dyn Stream>, target: &Target) -> Result<Opened, Error> {
    let mut wire = Wire::new(target.to_string(), stream);
    let greeting = wire.reply(Stage::Greeting, target.timeouts.command).await?;
    wire.accept(Stage::Greeting, 2, greeting)?;
    let extensions = hello(&mut wire, target).await?;
    let in_clear = |wire, extensions| Opened {
        wire,
        extensions,
        tls: None,
    };
    match (target.tls().level(), extensions.start_tls) {
        (TlsLevel::None, _) | (TlsLevel::May, false) => Ok(in_clear(wire, extensions)),
        (TlsLevel::Encrypt | TlsLevel::Verify, false) => Err(Error::TlsNotOffered {
            peer: target.to_string(),
        }),
        (level, true) => match start_tls(&mut wire, target).await {
            Ok(()) => secured(wire, target).await,
            // N.B. the server may have closed the connection with its refusal; the next command will tell.
            Err(Error::Refused { .. }) if level == TlsLevel::May => Ok(in_clear(wire, extensions)),
            Err(error) => Err(error),
        },
    }
}

async fn hello(wire: &mut Wire, target: &Target) -> Result<Extensions, Error> {
    let (verb, fallback) = match target.protocol() {
        Protocol::Smtp => ("EHLO", Some("HELO")),
        Protocol::Lmtp => ("LHLO", None),
    };
    let reply = say(wire, target, verb).await?;
    if let (true, Some(fallback)) = (reply.is_permanent(), fallback) {
        let reply = say(wire, target, fallback).await?;
        wire.accept(Stage::Hello, 2, reply)?;
        return Ok(Extensions::default());
    }
    let reply = wire.accept(Stage::Hello, 2, reply)?;
    Ok(Extensions::from_reply(&reply))
}

async fn say(wire: &mut Wire, target: &Target, verb: &str) -> Result<Reply, Error> {
    let line = format!("{verb} {}\r\n", target.helo());
    wire.command(Stage::Hello, &line, target.timeouts.command)
        .await
}

async fn start_tls(wire: &mut Wire, target: &Target) -> Result<(), Error> {
    let reply = wire
        .command(Stage::StartTls, "STARTTLS\r\n", target.timeouts.command)
        .await?;
    wire.accept(Stage::StartTls, 2, reply).map(drop)
}

/// The handshake, and EHLO anew: what the server offered in clear may have come from somebody else.
async fn secured(wire: Wire, target: &Target) -> Result<Opened, Error> {
    // What came with the reply to STARTTLS was said in clear, but would be read as if it
    // had been said in TLS.
    let stream = wire.into_stream().map_err(|injected| Error::Protocol {
        peer: target.to_string(),
        stage: Stage::StartTls,
        problem: ProtocolProblem::Injected(printable(injected.get(..SHOWN).unwrap_or(&injected))),
    })?;
    let (stream, tls) = target
        .tls()
        .handshake(stream, target.host(), target.timeouts.command)
        .await
        .map_err(|source| Error::Tls {
            peer: target.to_string(),
            source,
        })?;
    let mut wire = Wire::new(target.to_string(), stream);
    let extensions = hello(&mut wire, target).await?;
    Ok(Opened {
        wire,
        extensions,
        tls: Some(tls),
    })
}
