use crate::error::Error;
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, Offer, RcptCommand};
use std::future::Future;

pub trait Hops: Send + Sync + 'static {
    type Hop: Hop<Pending = Self::Pending>;
    type Pending: Pending;
    fn offer(&self) -> Offer;
    fn take(&self) -> impl Future<Output = Result<Self::Hop, Error>> + Send;
}
pub enum Data<H: Hop> {
    Pending(H::Pending),
    Refused(H, Reply),
}
pub trait Hop: Send + Sized {
    type Pending: Pending;
    fn is_lmtp(&self) -> bool;
    fn offered(&self) -> Offer;
    fn mail(
        &mut self,
        forwarded: &Forwarded,
        mail: &MailCommand,
    ) -> impl Future<Output = Result<Reply, Error>> + Send;
    fn rcpt(&mut self, rcpt: &RcptCommand) -> impl Future<Output = Result<Reply, Error>> + Send;
    fn reset(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
    fn data(self, content: &[&[u8]]) -> impl Future<Output = Result<Data<Self>, Error>> + Send;
    fn give_back(self) -> impl Future<Output = ()> + Send;
}
pub trait Pending: Send {
    fn address(&self) -> &str;
    fn finish(self) -> impl Future<Output = Result<Reply, Error>> + Send;
    fn abandon(self);
}
