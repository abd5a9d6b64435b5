//! A client that says what it is told to.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connected, greeted and introduced.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_through(address, "").await
    }

    /// The same with something said before the greeting.
    pub(crate) async fn connect_through(address: SocketAddr, header: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(header.as_bytes()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        let greeting = client.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        client.hello().await;
        client
    }

    pub(crate) async fn hello(&mut self) {
        let hello = self.say("EHLO client.example").await;
        assert!(hello.starts_with("250"), "{hello}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.stream.get_ref().local_addr().unwrap().port()
    }

    /// Sends a line, and returns the answer to it: its lines, joined by LF.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// A transaction up to the go-ahead, with everything accepted.
    pub(crate) async fn open(&mut self, rcpts: &[&str]) {
        let mail = self.say("MAIL FROM:<a@example.org>").await;
        assert!(mail.starts_with("250 "), "{mail}");
        for rcpt in rcpts {
            let reply = self.say(&format!("RCPT TO:<{rcpt}>")).await;
            assert!(reply.starts_with("250 "), "{reply}");
        }
        let data = self.say("DATA").await;
        assert!(data.starts_with("354 "), "{data}");
    }

    /// A whole mail, and the answer to it.
    pub(crate) async fn deliver(&mut self, rcpts: &[&str], message: &[u8]) -> String {
        self.open(rcpts).await;
        self.send(message).await;
        self.say(".").await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Empty when the server has closed the connection.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return reply;
            }
            let line = line.trim_end();
            reply.push_str(line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
            reply.push('\n');
        }
    }
}
