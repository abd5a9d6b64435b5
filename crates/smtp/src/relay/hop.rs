use crate::client::{Client, Target};
use crate::error::Error;
use crate::service::Offer;

pub(super) type Session = Client;

/// Temporary
pub struct NextHop(pub Target);

impl NextHop {
    pub(super) async fn take(&self) -> Result<Client, Error> {
        Client::open(&self.0).await
    }
    pub(super) fn address(&self) -> String {
        self.0.to_string()
    }
    pub(super) async fn give_back(&self, session: Client) {
        session.quit().await;
    }
    pub(super) fn offer(&self) -> Offer {
        Offer {
            eight_bit_mime: true,
            dsn: true,
            smtp_utf8: true,
        }
    }
}
