DROP TABLE spanbox_rates;
DROP TABLE spanbox_jobs;
