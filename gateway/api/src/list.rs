//! Lists, page by page.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The most items that one page has, and the number that it has unless the request says less.
pub const LARGEST_PAGE: usize = 500;

/// A list, or a page of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The items of this page, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next page, for the parameter `after`. `None` on the last page.
    pub next: Option<String>,
    /// How many items the whole list has. `None` where that is not known.
    pub total: Option<u64>,
}

/// Which page of a list a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    after: Option<String>,
    limit: usize,
}

/// Why a page cannot be given: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// `limit` is no number from 1 to [`LARGEST_PAGE`].
    Limit,
    /// `after` is no cursor that this gateway has given.
    Cursor,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit => write!(f, "limit is a number from 1 to {LARGEST_PAGE}"),
            Self::Cursor => f.write_str("after is a cursor, the member next of the page before"),
        }
    }
}

impl std::error::Error for PageError {}

impl PageRequest {
    /// Reads the parameters `limit` and `after` of a query.
    ///
    /// # Errors
    /// When one of them is not what this gateway understands.
    pub fn read(limit: Option<&str>, after: Option<&str>) -> Result<Self, PageError> {
        let limit = limit.map_or(Ok(LARGEST_PAGE), |text| {
            let number = text.parse().map_err(|_| PageError::Limit)?;
            if (1..=LARGEST_PAGE).contains(&number) { Ok(number) } else { Err(PageError::Limit) }
        })?;
        let key = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PageError::Cursor)?;
            String::from_utf8(bytes).map_err(|_| PageError::Cursor)
        };
        Ok(Self { after: after.map(key).transpose()?, limit })
    }

    /// The key of the last item of the page before; `None` for the first page.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The most items that the page has.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl<T> List<T> {
    /// A list that is one page.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        let total = Some(items.len() as u64);
        Self { items, next: None, total }
    }

    /// A page that was read in the order of the list: `read` has the items after the cursor, and one
    /// more than [`PageRequest::limit`] if there are further pages. `total` is the length of the list.
    #[must_use]
    pub fn page_of(
        mut read: Vec<T>,
        request: &PageRequest,
        total: u64,
        key: impl Fn(&T) -> String,
    ) -> Self {
        let has_more = read.len() > request.limit;
        read.truncate(request.limit);
        let last = read.last().filter(|_| has_more);
        let next = last.map(|item| URL_SAFE_NO_PAD.encode(key(item)));
        Self { items: read, next, total: Some(total) }
    }

    /// The page that `request` asks for of `all`, sorted by `key`. A cursor holds the key of the
    /// last item of its page, so it survives items that come and go.
    #[must_use]
    pub fn page<K: Ord + ToString>(
        all: impl IntoIterator<Item = T>,
        request: &PageRequest,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let mut all: Vec<(String, T)> =
            all.into_iter().map(|item| (key(&item).to_string(), item)).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        let total = all.len() as u64;
        let is_ahead = |found: &(String, T)| {
            request.after.as_ref().is_none_or(|after| found.0.as_str() > after.as_str())
        };
        let read = all.into_iter().filter(is_ahead).take(request.limit + 1).collect();
        let List { items, next, total } =
            List::page_of(read, request, total, |(key, _)| key.clone());
        Self { items: items.into_iter().map(|(_, item)| item).collect(), next, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(limit: &str) -> (Vec<u32>, usize) {
        let (mut seen, mut after, mut pages) = (vec![], None::<String>, 0);
        loop {
            let request = PageRequest::read(Some(limit), after.as_deref()).unwrap();
            let page = List::page((100..200).rev(), &request, |number: &u32| *number);
            assert_eq!(page.total, Some(100));
            seen.extend(page.items);
            pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => return (seen, pages),
            }
        }
    }

    #[test]
    fn pages_make_up_the_whole_list_once_and_in_order() {
        let all: Vec<u32> = (100..200).collect();
        assert_eq!(read_all("1"), (all.clone(), 100));
        assert_eq!(read_all("7"), (all.clone(), 15));
        assert_eq!(read_all("100"), (all.clone(), 1));
        assert_eq!(read_all("500"), (all, 1));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for limit in ["0", "501", "-1", "x", ""] {
            assert_eq!(PageRequest::read(Some(limit), None), Err(PageError::Limit), "{limit}");
        }
        for after in ["!", "_w", "a b"] {
            assert_eq!(PageRequest::read(None, Some(after)), Err(PageError::Cursor), "{after}");
        }
    }
}
