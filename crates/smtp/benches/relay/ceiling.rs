//! The ceiling: as many answers as a mail needs, from bare blocking sockets that understand nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Threads that wait for connections; more than clients.
const THREADS: usize = 64;

pub(crate) fn serve(listener: &TcpListener) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for stream in listener.incoming() {
                    // A client that ends early is one of a benchmark that was ended.
                    let _ = stream.and_then(answer);
                }
            });
        }
    });
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 65_536];
    let replies: [&[u8]; 4] = [
        b"220 ceiling ESMTP\r\n",
        b"250 ceiling\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
    ];
    for reply in replies {
        stream.write_all(reply)?;
        if stream.read(&mut buffer)? == 0 {
            return Ok(());
        }
    }
    stream.write_all(b"354 go\r\n")?;
    // The message comes in pieces; no line of it but the last is one dot.
    let mut last = [0; 5];
    loop {
        let length = stream.read(&mut buffer)?;
        let read = buffer.get(..length).unwrap_or_default();
        for &byte in read.get(length.saturating_sub(5)..).unwrap_or_default() {
            last.rotate_left(1);
            last[4] = byte;
        }
        if length == 0 || &last == b"\r\n.\r\n" {
            break;
        }
    }
    stream.write_all(b"250 ok\r\n")?;
    if stream.read(&mut buffer)? > 0 {
        stream.write_all(b"221 bye\r\n")?;
    }
    Ok(())
}
