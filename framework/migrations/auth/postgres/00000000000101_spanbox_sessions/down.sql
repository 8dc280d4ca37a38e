DROP TABLE spanbox_refresh_tokens;
DROP TABLE spanbox_sessions;
