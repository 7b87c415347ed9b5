//! The caller side: listeners, connections, limits and replies.
