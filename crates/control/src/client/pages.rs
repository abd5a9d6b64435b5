//! Long lists, page by page.

use super::Client;
use crate::{ClientError, Filter, ListRequest, MAX_LIMIT, Page};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The pages of a list, asked for one by one.
#[derive(Debug)]
pub struct Pages<'c, T> {
    client: &'c Client,
    path: &'static str,
    request: ListRequest,
    ended: bool,
    items: PhantomData<T>,
}

impl<'c, T: DeserializeOwned> Pages<'c, T> {
    pub(super) fn new(
        client: &'c Client,
        path: &'static str,
        filter: Filter,
        page_size: u32,
    ) -> Self {
        let request = ListRequest {
            filter,
            limit: page_size.clamp(1, MAX_LIMIT),
            after: None,
        };
        Pages {
            client,
            path,
            request,
            ended: false,
            items: PhantomData,
        }
    }

    /// Starts behind a cursor of an earlier list with the same filter.
    #[must_use]
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.request.after = cursor;
        self
    }

    /// How many items the next page may have, within 1 to [`MAX_LIMIT`].
    pub fn limit(&mut self, items: u32) {
        self.request.limit = items.clamp(1, MAX_LIMIT);
    }

    /// The next page, or nothing after the last one.
    pub async fn next(&mut self) -> Result<Option<Page<T>>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let page: Page<T> = self.client.page(self.path, &self.request).await?;
        // A cursor that does not move would make this endless.
        self.ended = page.next.is_none() || page.next == self.request.after;
        self.request.after.clone_from(&page.next);
        Ok(Some(page))
    }
}
