//! The admin port: health, metrics, status and reload.
