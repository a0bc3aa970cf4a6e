-- +goose Up
-- Comments that are not for the requester's eyes.
ALTER TABLE comments ADD COLUMN internal boolean NOT NULL DEFAULT false;
