//! Finding mails and entries: the most selective key leads, the rest of the filter is compared.

use super::keys::{self, ENTRY_PLACE, MAIL_PLACE};
use super::wanted::Wanted;
use super::{Damaged, Index, Row};
use crate::{Cursor, Entry, EntryStateName, Filter, Judged, MailId, Page, PageOf, VerdictRecord};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Candidates that one call looks at. Ten thousand records are read and compared in well under a
/// second; a caller goes on with the next page.
const MAX_CANDIDATES: usize = 10_000;

/// Octets of records that one page may hold.
const MAX_PAGE_BYTES: usize = 32 << 20;

impl Index {
    /// Mails that match.
    pub(crate) fn verdicts(&self, filter: &Filter, page: &Page) -> Result<PageOf<Judged>, Damaged> {
        let wanted = Wanted::new(filter);
        let lane = wanted.lane(None);
        let places = self.places_of(filter.id.as_ref())?;
        self.scan(&lane, filter, page, MAIL_PLACE, places, |cursor| {
            let Some((record, bytes)) = self.sized_record(cursor)? else {
                return Ok(Vec::new());
            };
            let matches = wanted.mail(&record) && self.any_in_state(&record, filter.state)?;
            if !matches {
                return Ok(Vec::new());
            }
            let answered = self.answered(&record.id)?;
            Ok(vec![(cursor.clone(), Judged { record, answered }, bytes)])
        })
    }

    /// Entries that match.
    pub(crate) fn entries(&self, filter: &Filter, page: &Page) -> Result<PageOf<Entry>, Damaged> {
        let wanted = Wanted::new(filter);
        let by_state = keys::entries_in(filter.state);
        let lane = wanted.lane(Some(by_state.clone()));
        let place = if lane == by_state {
            ENTRY_PLACE
        } else {
            MAIL_PLACE
        };
        let places = self.places_of(filter.id.as_ref())?;
        let place = places.as_ref().map_or(place, |_| MAIL_PLACE);
        self.scan(&lane, filter, page, place, places, |cursor| {
            let rows = match cursor.group {
                0 => self.rows_of(&cursor.id)?,
                group => self
                    .row(&cursor.id.entry(group))?
                    .into_iter()
                    .collect::<Vec<Row>>(),
            };
            self.matching_rows(rows, cursor, &wanted)
        })
    }

    fn matching_rows(
        &self,
        rows: Vec<Row>,
        cursor: &Cursor,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<(Cursor, Entry, usize)>, Damaged> {
        let mut found = Vec::new();
        for Row { entry, .. } in rows {
            let state = wanted.filter.state;
            let fits = entry.held.received == cursor.received
                && state.is_none_or(|state| entry.state.name() == state)
                && wanted.envelope(&entry.held);
            if !fits {
                continue;
            }
            let record = if wanted.asks_record() {
                self.record(&cursor.id)?
            } else {
                None
            };
            if wanted.entry(&entry.held, record.as_ref()) {
                let place = Cursor {
                    group: entry.held.entry.group(),
                    ..cursor.clone()
                };
                // An entry is small but for its recipients.
                let bytes = entry.held.rcpts.iter().map(String::len).sum::<usize>() + 1024;
                found.push((place, entry, bytes));
            }
        }
        Ok(found)
    }

    /// Walks a lane in the order of the page, and collects what `look` makes of each place.
    fn scan<T>(
        &self,
        lane: &[u8],
        filter: &Filter,
        page: &Page,
        place: usize,
        places: Option<Vec<Cursor>>,
        mut look: impl FnMut(&Cursor) -> Result<Vec<(Cursor, T, usize)>, Damaged>,
    ) -> Result<PageOf<T>, Damaged> {
        let limit = page.limit.clamp(1, Page::MAX_LIMIT);
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        let mut keys: Box<dyn Iterator<Item = Result<Cursor, Damaged>>> = match places {
            Some(mut places) => {
                if !page.oldest_first {
                    places.reverse();
                }
                Box::new(places.into_iter().map(Ok))
            }
            None => Box::new(self.lane_keys(lane, filter, page, place).map(|key| {
                let place = key?.get(lane.len()..).and_then(keys::read_place);
                let unreadable = || Damaged("a key of an index cannot be read".to_owned());
                let (received, id, group) = place.ok_or_else(unreadable)?;
                Ok(Cursor {
                    received,
                    id,
                    group,
                })
            })),
        };
        for _ in 0..MAX_CANDIDATES {
            let Some(here) = keys.next().transpose()? else {
                return Ok(PageOf { items, next: None });
            };
            if items.len() == limit {
                return Ok(PageOf { items, next: last });
            }
            let mut found = look(&here)?;
            if !page.oldest_first {
                found.reverse();
            }
            // The page before may have ended in the middle of a mail's entries.
            found.retain(|(cursor, ..)| page.is_ahead(cursor));
            for (cursor, item, size) in found {
                if items.len() == limit || (bytes > 0 && bytes + size > MAX_PAGE_BYTES) {
                    return Ok(PageOf { items, next: last });
                }
                bytes += size;
                items.push(item);
                last = Some(cursor);
            }
            // Done with this place. One of a mail stands for all of its entries.
            let group = match place {
                MAIL_PLACE if page.oldest_first => u16::MAX,
                MAIL_PLACE => 0,
                _ => here.group,
            };
            last = Some(Cursor { group, ..here });
        }
        Ok(PageOf { items, next: last })
    }

    fn lane_keys(
        &self,
        lane: &[u8],
        filter: &Filter,
        page: &Page,
        place: usize,
    ) -> Box<dyn Iterator<Item = Result<sled::IVec, Damaged>>> {
        let at = |suffix: &[u8]| [lane, suffix].concat();
        let mut low = at(&filter.since.map(keys::moment).unwrap_or([0; 8]));
        let mut high = match filter.until {
            Some(until) => Bound::Excluded(at(&keys::moment(until))),
            None => Bound::Included(at(&[0xff; ENTRY_PLACE])),
        };
        if let Some(cursor) = &page.after {
            let mail = keys::mail_place(cursor.received, &cursor.id);
            let entry = keys::entry_place(cursor.received, &cursor.id.entry(cursor.group));
            // In a lane of mails the mail itself is looked at again: some of its entries may be left.
            let edge = if place == MAIL_PLACE || cursor.group == 0 {
                at(&mail)
            } else {
                at(&entry)
            };
            if page.oldest_first {
                low = low.max(edge);
            } else {
                let bound = match &high {
                    Bound::Excluded(high) | Bound::Included(high) => high,
                    Bound::Unbounded => &edge,
                };
                if edge < *bound {
                    high = Bound::Included(edge);
                }
            }
        }
        let (Bound::Excluded(end) | Bound::Included(end)) = &high else {
            return Box::new(std::iter::empty());
        };
        if low >= *end {
            return Box::new(std::iter::empty());
        }
        let keys = self.db.range((Bound::Included(low), high)).keys();
        if page.oldest_first {
            Box::new(keys.map(|key| Ok(key?)))
        } else {
            Box::new(keys.rev().map(|key| Ok(key?)))
        }
    }

    /// Where a mail is in order of time, oldest first. A record and an entry of one mail have one
    /// place, unless somebody wrote them with different times.
    fn places_of(&self, id: Option<&MailId>) -> Result<Option<Vec<Cursor>>, Damaged> {
        let Some(id) = id else { return Ok(None) };
        let mut times: BTreeSet<i64> = self.record(id)?.map(|r| r.received).into_iter().collect();
        times.extend(self.rows_of(id)?.iter().map(|row| row.entry.held.received));
        let place = |received| Cursor {
            received,
            id: id.clone(),
            group: 0,
        };
        Ok(Some(times.into_iter().map(place).collect()))
    }

    /// The record at a place, and its octets; `None` if the mail is (now) at another place.
    fn sized_record(&self, at: &Cursor) -> Result<Option<(VerdictRecord, usize)>, Damaged> {
        let Some(value) = self.db.get(keys::record(&at.id))? else {
            return Ok(None);
        };
        let record: VerdictRecord = super::read(&value)?;
        Ok((record.received == at.received).then_some((record, value.len())))
    }

    fn any_in_state(
        &self,
        record: &VerdictRecord,
        state: Option<EntryStateName>,
    ) -> Result<bool, Damaged> {
        let Some(state) = state else { return Ok(true) };
        let rows = self.rows_of(&record.id)?;
        Ok(rows.iter().any(|row| row.entry.state.name() == state))
    }
}

impl Page {
    /// Whether a place comes after the one where the page begins.
    fn is_ahead(&self, place: &Cursor) -> bool {
        let key = |c: &Cursor| (c.received, c.id.clone(), c.group);
        match &self.after {
            None => true,
            Some(after) if self.oldest_first => key(place) > key(after),
            Some(after) => key(place) < key(after),
        }
    }
}
