//! Whether what the configurations speak of is there now: connections only, nothing is said.

use super::finding::{Finding, Level};
use crate::config::{Config, Host, Listen, NextHopAddress};
use control::Client;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// How long one look may take; all of it is on this machine.
const TIME: Duration = Duration::from_secs(2);

/// What is not there.
pub(super) async fn run(config: &Config) -> Vec<Finding> {
    let socket = config.control.socket.display().to_string();
    if let Err(why) = answers(&config.control.socket).await {
        let why =
            format!("{why}. Postern seems not to run, so only the configurations were compared.");
        return vec![finding(
            Level::Note,
            "control.socket",
            socket,
            "[control]",
            why,
        )];
    }
    let mut findings = Vec::new();
    let relay = config.relay.iter().flat_map(|relay| &relay.listen);
    let doors = config.milter.listen.iter().map(|door| (door, "[milter]"));
    for (door, section) in doors.chain(relay.map(|door| (door, "[relay]"))) {
        if let Err(why) = listens(door).await {
            let why = format!(
                "Postern runs, and nobody can connect there: {why}. Postfix cannot, either."
            );
            findings.push(finding(
                Level::Danger,
                "listen",
                door.to_string(),
                section,
                why,
            ));
        }
    }
    findings.extend(released(config).await);
    findings
}

/// Where released mail goes, if it cannot go there.
async fn released(config: &Config) -> Option<Finding> {
    let to = config.release_to();
    let connected = match &to {
        NextHopAddress::Server {
            host: Host::Tcp(to),
            ..
        } => within(TcpStream::connect((to.host.as_str(), to.port)))
            .await
            .map(drop),
        NextHopAddress::Server {
            host: Host::Unix(path),
            ..
        } => within(UnixStream::connect(path)).await.map(drop),
        NextHopAddress::Maildir(_) => Ok(()),
    };
    let why = connected.err()?;
    let why = format!("Released mail could not be delivered now: {why}.");
    Some(finding(
        Level::Warning,
        "address",
        to.to_string(),
        "[release]",
        why,
    ))
}

async fn answers(socket: &Path) -> Result<(), String> {
    let status = async {
        let client = Client::connect(socket).await?;
        client.status().await
    };
    match tokio::time::timeout(TIME, status).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "{}: no answer within {} s",
            socket.display(),
            TIME.as_secs()
        )),
    }
}

async fn listens(door: &Listen) -> Result<(), String> {
    match door {
        Listen::Tcp(address) => within(TcpStream::connect(*address)).await.map(drop),
        Listen::Unix(path) => within(UnixStream::connect(path)).await.map(drop),
    }
}

async fn within<T>(connect: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(TIME, connect).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", TIME.as_secs())),
    }
}

fn finding(level: Level, setting: &str, value: String, section: &str, why: String) -> Finding {
    Finding {
        level,
        check: "live",
        setting: setting.to_owned(),
        value,
        place: format!("postern.toml, {section}"),
        services: Vec::new(),
        why,
        change: None,
    }
}
