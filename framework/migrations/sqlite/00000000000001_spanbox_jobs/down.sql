DROP TABLE spanbox_streams;
DROP TABLE spanbox_schedules;
DROP TABLE spanbox_rates;
DROP TABLE spanbox_jobs;
