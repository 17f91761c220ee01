//! Finds the row of the API's table that a request belongs to.

use doorward_api::Route;
use doorward_session::ListenerKind;
use http::Method;

/// Returns the routes of a listener.
fn answered_at(listener: ListenerKind) -> impl Iterator<Item = &'static Route> {
    Route::ALL.iter().filter(move |route| match listener {
        ListenerKind::Data => route.listeners.has_data(),
        ListenerKind::Management => route.listeners.has_management(),
    })
}

/// Returns the route of a request, and the texts in the braces of its path.
pub(crate) fn find<'p>(
    listener: ListenerKind,
    method: &Method,
    path: &'p str,
) -> Option<(Route, Vec<&'p str>)> {
    answered_at(listener)
        .filter(|route| route.method == method.as_str())
        .find_map(|route| Some((*route, route.matches(path)?)))
}

/// Returns whether the listener has a route at `path` for any method.
pub(crate) fn exists(listener: ListenerKind, path: &str) -> bool {
    answered_at(listener).any(|route| route.matches(path).is_some())
}

#[cfg(test)]
mod tests {
    use doorward_api::Operation;

    use super::*;

    #[test]
    fn each_listener_answers_its_own_routes() {
        let (get, path) = (Method::GET, "/v1/devices/plc");
        let (route, names) = find(ListenerKind::Management, &get, path).unwrap();
        assert_eq!((route.operation, names), (Operation::ShowDevice, vec!["plc"]));
        assert!(find(ListenerKind::Data, &get, path).is_none());
        assert!(!exists(ListenerKind::Data, path));
        assert!(find(ListenerKind::Management, &Method::PUT, path).is_none());
        assert!(exists(ListenerKind::Management, path));
    }
}
