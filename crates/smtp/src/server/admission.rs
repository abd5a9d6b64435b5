//! Who is let in, and how many of them at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::options::ServerOptions;
use super::replies;
use crate::reply::Reply;

/// An address as lists and counters see it: a unix socket is of this machine, and an IPv4 address is one even
/// where the system writes it as IPv6.
pub(super) fn listed_as(address: Option<SocketAddr>) -> IpAddr {
    address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| {
        address.ip().to_canonical()
    })
}

/// Whether `list` has the address.
pub(super) fn is_listed(list: &[IpNet], address: IpAddr) -> bool {
    list.iter().any(|net| net.contains(&address))
}

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Admission {
    open: AtomicUsize,
    /// How many each client has. Bounded by the connections there may be, all together.
    clients: Mutex<HashMap<Client, usize>>,
}

/// Whose connections count together: an IPv4 address, or an IPv6 /64, since whoever has one address of
/// that has them all.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Client {
    V4(u32),
    V6(u64),
}

/// A place among all connections. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Admission>);

/// A place among the connections of one client. Given back when dropped.
#[derive(Debug)]
pub(super) struct ClientPlace(Arc<Admission>, Client);

impl Admission {
    /// A place for one more connection, if there is one.
    pub(super) fn enter(self: &Arc<Self>, limit: usize) -> Option<Place> {
        // Taken by one task, the one that accepts, so nothing comes between the two lines.
        let place = Place(Arc::clone(self));
        (self.open.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether so many connections are open that each has to hurry.
    pub(super) fn is_stressed(&self, options: &ServerOptions) -> bool {
        self.open().saturating_mul(5) > options.connections.saturating_mul(4)
    }

    /// Lets a client in: nothing to hold for one that is trusted, a place for another one.
    ///
    /// # Errors
    /// What is said to it instead of a greeting.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        options: &ServerOptions,
    ) -> Result<Option<ClientPlace>, Reply> {
        if !is_listed(&options.clients, address) {
            return Err(replies::not_a_client());
        }
        if is_listed(&options.trusted, address) {
            return Ok(None);
        }
        let client = Client::from(address);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is entered for a client that gets no place.
        let count = clients.get(&client).copied().unwrap_or_default();
        if count >= options.connections_per_client {
            return Err(replies::too_many_of_client(&options.hostname));
        }
        *clients.entry(client).or_default() += 1;
        drop(clients);
        Ok(Some(ClientPlace(Arc::clone(self), client)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = clients.entry(self.1) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6(
                    [a, b, c, d]
                        .into_iter()
                        .fold(0, |sum, part| sum << 16 | u64::from(part)),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(per_client: usize) -> ServerOptions {
        ServerOptions {
            clients: vec![
                "0.0.0.0/0".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            connections_per_client: per_client,
            ..ServerOptions::default()
        }
    }

    fn admit(
        admission: &Arc<Admission>,
        address: &str,
        options: &ServerOptions,
    ) -> Result<Option<ClientPlace>, u16> {
        let address = listed_as(Some(SocketAddr::new(address.parse().unwrap(), 1)));
        admission
            .admit(address, options)
            .map_err(|reply| reply.code)
    }

    #[test]
    fn a_client_has_so_many_places_and_gets_them_back() {
        let (admission, options) = (Arc::new(Admission::default()), options(2));
        let first = admit(&admission, "192.0.2.1", &options).unwrap();
        let _second = admit(&admission, "::ffff:192.0.2.1", &options).unwrap();
        assert_eq!(admit(&admission, "192.0.2.1", &options).unwrap_err(), 421);
        let _other = admit(&admission, "192.0.2.2", &options).unwrap();
        drop(first);
        let _third = admit(&admission, "192.0.2.1", &options).unwrap();
    }

    #[test]
    fn counters_of_clients_that_are_gone_are_gone() {
        let admission = Arc::new(Admission::default());
        assert_eq!(
            admit(&admission, "192.0.2.1", &options(0)).unwrap_err(),
            421
        );
        drop(admit(&admission, "192.0.2.2", &options(1)).unwrap());
        assert!(admission.clients.lock().unwrap().is_empty());
    }

    #[test]
    fn ipv6_clients_are_counted_by_their_64() {
        let (admission, options) = (Arc::new(Admission::default()), options(1));
        let _place = admit(&admission, "2001:db8:0:1::1", &options).unwrap();
        assert_eq!(
            admit(&admission, "2001:db8:0:1:ffff::", &options).unwrap_err(),
            421
        );
        let _other = admit(&admission, "2001:db8:0:2::1", &options).unwrap();
    }

    #[test]
    fn trusted_clients_are_not_counted_and_strangers_not_let_in() {
        let (admission, options) = (Arc::new(Admission::default()), options(0));
        assert!(admit(&admission, "127.0.0.9", &options).unwrap().is_none());
        assert_eq!(admit(&admission, "2001:db9::1", &options).unwrap_err(), 554);
        assert!(
            is_listed(&options.trusted, listed_as(None)),
            "a unix socket is of this machine"
        );
    }

    #[test]
    fn all_connections_together_have_so_many_places() {
        let admission = Arc::new(Admission::default());
        let options = ServerOptions {
            connections: 5,
            ..ServerOptions::default()
        };
        let mut places: Vec<Place> = (0..4).map_while(|_| admission.enter(5)).collect();
        assert!(
            !admission.is_stressed(&options),
            "4 of 5 are not more than 80 %"
        );
        places.extend(admission.enter(5));
        assert!(admission.is_stressed(&options));
        assert!(admission.enter(5).is_none());
        assert_eq!(admission.open(), 5, "a refused one holds nothing");
        drop(places);
        assert_eq!(admission.open(), 0);
    }
}
