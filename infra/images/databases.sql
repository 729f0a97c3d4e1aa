-- PostgreSQL makes the database of Prefect when it starts for the first time; this one is MLflow's.
CREATE DATABASE mlflow;
