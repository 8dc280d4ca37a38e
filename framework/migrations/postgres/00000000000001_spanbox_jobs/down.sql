DROP TABLE spanbox_jobs;
