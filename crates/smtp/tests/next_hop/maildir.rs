//! A maildir as the next hop.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{MESSAGE, deliver, mail, rcpt};
use smtp::next_hop::{NextHop, Pool, PoolLimits};
use smtp::{Error, Forwarded, MessageError, Parameter};

#[tokio::test]
async fn a_message_is_stored_as_it_came_behind_its_envelope() {
    let (_directory, path, pool) = maildir();
    let mut connection = pool.take().await.unwrap();
    assert_eq!(
        connection.xforward(&Forwarded::default()).await.unwrap(),
        None
    );
    connection.mail(&mail("")).await.unwrap();
    connection.rcpt(&rcpt("é@d")).await.unwrap();
    connection.rcpt(&rcpt("\"x y\"@e")).await.unwrap();
    let slices: [&[u8]; 4] = [
        b"X-Added: 1\r\n",
        b"Subject: a\r\n\r\n",
        b".\r\n",
        b"\xff\0b",
    ];
    let reply = connection
        .data(&slices)
        .await
        .unwrap()
        .unwrap()
        .finish()
        .await
        .unwrap();
    let id = reply.queue_id().unwrap();
    assert_eq!(reply.to_string(), format!("250 2.0.0 Ok: queued as {id}"));
    let [file] = &files(&path, "new")[..] else {
        panic!("{:?}", files(&path, "new"))
    };
    assert_eq!(
        file.file_name().unwrap().to_str().unwrap(),
        format!("{id}.filter.example")
    );
    let expected = [
        "Return-Path: <>\r\nDelivered-To: é@d\r\nDelivered-To: \"x y\"@e\r\nX-Added: 1\r\nSubject: a\r\n\r\n.\r\n".as_bytes(),
        b"\xff\0b\r\n",
    ];
    assert_eq!(std::fs::read(file).unwrap(), expected.concat());
    assert_eq!(mode(file), 0o600);
    for part in ["", "tmp", "new", "cur"] {
        assert_eq!(mode(&path.join(part)), 0o700, "{part}");
    }
    assert!(files(&path, "tmp").is_empty());
}

#[tokio::test]
async fn many_at_once_are_all_delivered_and_nothing_else_is_left() {
    let (_directory, path, pool) = maildir();
    let deliveries = (0..40).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let message = format!(
                "Subject: {number}\r\n\r\n{}",
                "x\r\n".repeat(number * 20_000)
            );
            let mut connection = pool.take().await.unwrap();
            deliver(&mut connection, message.as_bytes())
                .await
                .unwrap()
                .queue_id()
                .unwrap()
        })
    });
    let mut ids = Vec::new();
    for delivery in deliveries.collect::<Vec<_>>() {
        ids.push(delivery.await.unwrap());
    }
    let mut stored: Vec<_> = files(&path, "new")
        .iter()
        .map(|file| {
            file.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .replace(".filter.example", "")
        })
        .collect();
    stored.sort();
    ids.sort();
    assert_eq!(stored, ids);
    let largest = files(&path, "new")
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .max()
        .unwrap();
    let head = "Return-Path: <a@b>\r\nDelivered-To: c@d\r\nSubject: 39\r\n\r\n".len() as u64;
    assert_eq!(largest, head + 39 * 20_000 * 3);
    assert!(files(&path, "tmp").is_empty());
}

#[tokio::test]
async fn a_message_that_is_given_up_was_never_there() {
    let (_directory, path, pool) = maildir();
    let mut connection = pool.take().await.unwrap();
    for dropped in [false, true] {
        connection.mail(&mail("a@b")).await.unwrap();
        connection.rcpt(&rcpt("c@d")).await.unwrap();
        let pending = connection.data(&[MESSAGE]).await.unwrap().unwrap();
        assert_eq!(files(&path, "tmp").len(), 1);
        assert!(files(&path, "new").is_empty());
        if dropped {
            drop(pending);
        } else {
            pending.abandon();
        }
        assert!(files(&path, "tmp").is_empty() && files(&path, "new").is_empty());
        connection.reset().await.unwrap();
    }
    let reply = deliver(&mut connection, MESSAGE).await.unwrap();
    assert_eq!((reply.code, files(&path, "new").len()), (250, 1));
}

#[tokio::test]
async fn a_delivery_dropped_half_way_happens_all_or_not_at_all() {
    let (_directory, path, pool) = maildir();
    let large = vec![b'x'; 8 << 20];
    for polls in 0..30 {
        let mut connection = pool.take().await.unwrap();
        let mut delivery = Box::pin(deliver(&mut connection, &large));
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = &mut delivery => break,
                () = tokio::time::sleep(std::time::Duration::from_micros(300)) => {}
            }
        }
        drop(delivery);
    }
    // What was being written is cleared away by the thread that wrote it.
    while !files(&path, "tmp").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for file in files(&path, "new") {
        assert!(
            file.metadata().unwrap().len() > large.len() as u64,
            "{}",
            file.display()
        );
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_a_temporary_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "not a directory").unwrap();
    let pool = Pool::new(NextHop::maildir(&path, "a"), PoolLimits::default());
    let error = pool.probe().await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}: connection: ", path.display())),
        "{error}"
    );
    let mut connection = pool.take().await.unwrap();
    let reply = deliver(&mut connection, MESSAGE).await.unwrap();
    assert_eq!(
        reply.to_string(),
        "451 4.3.0 The mailbox cannot be written to; try again later"
    );
}

#[tokio::test]
async fn a_maildir_is_as_strict_as_a_server() {
    let (_directory, path, pool) = maildir();
    assert!(pool.probe().await.unwrap().smtp_utf8 && !pool.offer().dsn);
    assert_eq!(files(&path, "cur").len(), 0, "made by the probe");
    let mut connection = pool.take().await.unwrap();
    let error = connection
        .mail(&mail("a@b>\r\nX-Evil: 1"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Address(_)), "{error}");
    let dsn = Parameter {
        keyword: "RET".to_owned(),
        value: Some("FULL".to_owned()),
    };
    let mut command = mail("a@b");
    command.parameters = vec![dsn];
    let error = connection.mail(&command).await.unwrap_err();
    assert!(
        matches!(error, Error::ParameterNotOffered { .. }),
        "{error}"
    );
    assert_eq!(connection.rcpt(&rcpt("c@d")).await.unwrap().code, 503);
    connection.mail(&mail("a@b")).await.unwrap();
    assert_eq!(connection.mail(&mail("a@b")).await.unwrap().code, 503);
    let error = connection.data(&[MESSAGE]).await.unwrap_err();
    assert!(matches!(error, Error::NoRecipients), "{error}");
    let error = connection
        .rcpt(&rcpt("c@d\r\nX-Evil: 1"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Address(_)), "{error}");
    connection.rcpt(&rcpt("c@d")).await.unwrap();
    let error = connection.data(&[b"a\n"]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Message(MessageError::BareLineFeed { offset: 1 })
        ),
        "{error}"
    );
    assert!(files(&path, "tmp").is_empty());
}

#[tokio::test]
async fn a_host_name_never_becomes_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail");
    let host = format!("../../:{}", "h".repeat(300));
    let pool = Pool::new(NextHop::maildir(&path, &host), PoolLimits::default());
    deliver(&mut pool.take().await.unwrap(), MESSAGE)
        .await
        .unwrap();
    let [file] = &files(&path, "new")[..] else {
        panic!("not stored")
    };
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.contains(".._..__hhh") && !name.contains(':'), "{name}");
    assert!(!name.starts_with('.') && name.len() < 150);
}

/// A pool for a maildir that is not there yet.
fn maildir() -> (tempfile::TempDir, PathBuf, Pool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail");
    let text = format!("maildir:{}", path.display());
    let pool = Pool::new(
        NextHop::parse(&text, "filter.example").unwrap(),
        PoolLimits::default(),
    );
    (directory, path, pool)
}

fn files(maildir: &Path, part: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(maildir.join(part)) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
