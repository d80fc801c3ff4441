//! Results and API keys in `MySQL` or `MariaDB`, in the tables that the Master and the web API own.
