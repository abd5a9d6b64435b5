//! A client of the daemon.

mod connection;
mod pages;

pub use connection::Timeouts;
pub use pages::Pages;

use crate::version::{self, VersionInfo};
use crate::{
    AuditReport, BatchResult, ClientError, DeleteRequest, EntryDetails, EntrySummary, Explanation,
    Filter, Page, RebuildStatus, ReleaseRequest, ReloadResult, RuleList, Status, VerdictDetail,
    VerdictSummary, path,
};
use connection::{Exchange, NO_BODY, Patience};
use hyper::Method;
use std::io;
use std::path::{Path, PathBuf};

/// A client of one daemon.
///
/// Every request has its own connection: the daemon may restart in between, and a request that was
/// given up leaves nothing behind on the next one.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    timeouts: Timeouts,
    daemon: VersionInfo,
}

impl Client {
    /// Finds the daemon behind `socket` and makes sure that it speaks this version of the API.
    pub async fn connect(socket: &Path) -> Result<Client, ClientError> {
        Client::connect_with(socket, Timeouts::default()).await
    }

    /// The same, with other bounds on how long to wait.
    pub async fn connect_with(socket: &Path, timeouts: Timeouts) -> Result<Client, ClientError> {
        let unknown = VersionInfo {
            api: version::CURRENT,
            program: String::new(),
        };
        let mut client = Client {
            socket: socket.to_owned(),
            timeouts,
            daemon: unknown,
        };
        client.daemon = client
            .exchange(&Method::GET, path::VERSION)
            .json(NO_BODY)
            .await?;
        Ok(client)
    }

    /// The daemon's version.
    pub fn daemon(&self) -> &VersionInfo {
        &self.daemon
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How the daemon is.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.exchange(&Method::GET, path::STATUS)
            .json(NO_BODY)
            .await
    }

    /// Entries, newest first, page by page of at most `page_size`.
    pub fn entries(&self, filter: Filter, page_size: u32) -> Pages<'_, EntrySummary> {
        Pages::new(self, path::QUARANTINE_LIST, filter, page_size)
    }

    /// Verdicts, newest first, page by page of at most `page_size`.
    pub fn verdicts(&self, filter: Filter, page_size: u32) -> Pages<'_, VerdictSummary> {
        Pages::new(self, path::VERDICT_LIST, filter, page_size)
    }

    /// An entry, or all entries of a mail.
    pub async fn entry(&self, id: &str) -> Result<EntryDetails, ClientError> {
        self.exchange(&Method::GET, &known(path::entry(id), id)?)
            .json(NO_BODY)
            .await
    }

    /// Copies the message of an entry to `sink`, as it was transmitted, and says how long it is. The
    /// daemon journals that somebody has looked at it.
    pub async fn raw(&self, id: &str, sink: &mut dyn io::Write) -> Result<u64, ClientError> {
        self.exchange(&Method::GET, &known(path::raw(id), id)?)
            .copy(sink)
            .await
    }

    /// Delivers entries.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<BatchResult, ClientError> {
        let exchange = self.exchange(&Method::POST, path::QUARANTINE_RELEASE);
        exchange.patient(Patience::Work).json(Some(request)).await
    }

    /// Destroys entries.
    pub async fn delete(&self, request: &DeleteRequest) -> Result<BatchResult, ClientError> {
        let exchange = self.exchange(&Method::POST, path::QUARANTINE_DELETE);
        exchange.patient(Patience::Work).json(Some(request)).await
    }

    /// What was decided about a mail.
    pub async fn verdict(&self, id: &str) -> Result<VerdictDetail, ClientError> {
        self.exchange(&Method::GET, &known(path::verdict(id), id)?)
            .json(NO_BODY)
            .await
    }

    /// Decides about a mail once more.
    pub async fn explain(&self, id: &str) -> Result<Explanation, ClientError> {
        self.exchange(&Method::GET, &known(path::explain(id), id)?)
            .json(NO_BODY)
            .await
    }

    /// The rules in force.
    pub async fn rules(&self) -> Result<RuleList, ClientError> {
        self.exchange(&Method::GET, path::RULES).json(NO_BODY).await
    }

    /// Reads the rules again and puts them in force.
    pub async fn reload_rules(&self) -> Result<ReloadResult, ClientError> {
        let exchange = self.exchange(&Method::POST, path::RULES_RELOAD);
        exchange.patient(Patience::Work).json(NO_BODY).await
    }

    /// Starts to build the index again, unless that runs already. [`Client::rebuild_status`] tells
    /// how it goes on.
    pub async fn start_rebuild(&self) -> Result<RebuildStatus, ClientError> {
        let exchange = self.exchange(&Method::POST, path::STORE_REBUILD);
        exchange.patient(Patience::Work).json(NO_BODY).await
    }

    /// How the running rebuild stands, or how the last one ended.
    pub async fn rebuild_status(&self) -> Result<RebuildStatus, ClientError> {
        self.exchange(&Method::GET, path::STORE_REBUILD)
            .json(NO_BODY)
            .await
    }

    /// Checks the journal's hash chain from end to end.
    pub async fn verify_audit(&self) -> Result<AuditReport, ClientError> {
        let exchange = self.exchange(&Method::POST, path::AUDIT_VERIFY);
        exchange.patient(Patience::Work).json(NO_BODY).await
    }

    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        request: &crate::ListRequest,
    ) -> Result<Page<T>, ClientError> {
        self.exchange(&Method::POST, path).json(Some(request)).await
    }

    fn exchange<'c>(&'c self, method: &Method, path: &str) -> Exchange<'c> {
        Exchange::new(&self.socket, &self.timeouts, method, path)
    }
}

fn known(path: Option<String>, id: &str) -> Result<String, ClientError> {
    path.ok_or_else(|| ClientError::NotAnId(id.to_owned()))
}

#[cfg(test)]
mod tests;
