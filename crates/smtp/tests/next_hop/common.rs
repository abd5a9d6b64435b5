//! A next hop on a loopback port that answers as it is told and notes what it hears.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use smtp::next_hop::{Connection, NextHop, Pool, PoolLimits};
use smtp::{Error, MailCommand, RcptCommand, Reply};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nhello\r\n";

/// What a server was told, connection by connection.
#[derive(Clone, Default)]
pub(crate) struct Server {
    pub(crate) address: String,
    heard: Arc<Mutex<Vec<Vec<String>>>>,
    /// Answers other than the usual, by connection (from 0) and command. An empty one closes the connection.
    answers: Arc<HashMap<(usize, &'static str), &'static str>>,
}

impl Server {
    pub(crate) async fn start(answers: &[(usize, &'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers = answers
            .iter()
            .map(|&(connection, command, answer)| ((connection, command), answer));
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            heard: Arc::default(),
            answers: Arc::new(answers.collect()),
        };
        let running = server.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                running.heard.lock().unwrap().push(Vec::new());
                tokio::spawn(running.clone().serve(stream, connection));
            }
        });
        server
    }

    /// The verbs that were heard, by connection.
    pub(crate) fn heard(&self) -> Vec<Vec<String>> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn pool(&self, limits: PoolLimits) -> Pool {
        let text = format!("smtp:{}", self.address);
        Pool::new(NextHop::parse(&text, "filter.example").unwrap(), limits)
    }

    async fn serve(self, stream: TcpStream, connection: usize) {
        let mut stream = BufReader::new(stream);
        let (mut verb, mut line) = ("greeting".to_owned(), String::new());
        let mut in_message = false;
        loop {
            if !in_message || verb == "." {
                let usual = match verb.as_str() {
                    "greeting" => "220 mx",
                    "EHLO" => "250-mx\r\n250-XFORWARD NAME\r\n250 SMTPUTF8",
                    "DATA" => "354 go",
                    "QUIT" => "221 bye",
                    _ => "250 2.0.0 Ok: queued as 4Z",
                };
                let told = self
                    .answers
                    .iter()
                    .find(|((at, command), _)| *at == connection && *command == verb);
                let answer = told.map_or(usual, |(_, answer)| answer);
                if answer.is_empty()
                    || stream
                        .write_all(format!("{answer}\r\n").as_bytes())
                        .await
                        .is_err()
                {
                    return;
                }
                in_message = verb == "DATA" && answer.starts_with('3');
            }
            line.clear();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            verb = line
                .trim_end()
                .split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_owned();
            if !in_message || verb == "." {
                self.heard.lock().unwrap()[connection].push(verb.clone());
            }
        }
    }
}

pub(crate) fn mail(path: &str) -> MailCommand {
    MailCommand {
        path: path.to_owned(),
        ..MailCommand::default()
    }
}

pub(crate) fn rcpt(path: &str) -> RcptCommand {
    RcptCommand {
        path: path.to_owned(),
        parameters: Vec::new(),
    }
}

/// A whole mail from a@b to c@d.
pub(crate) async fn deliver(connection: &mut Connection, message: &[u8]) -> Result<Reply, Error> {
    for reply in [
        connection.mail(&mail("a@b")).await?,
        connection.rcpt(&rcpt("c@d")).await?,
    ] {
        if !reply.is_positive() {
            return Ok(reply);
        }
    }
    match connection.data(&[message]).await? {
        Ok(pending) => pending.finish().await,
        Err(reply) => Ok(reply),
    }
}
