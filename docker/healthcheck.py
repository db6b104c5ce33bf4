"""Exit with 0 if the server in this container is ready, with 1 and one line if it is not."""

import http.client
import sys

PORT = 8000
SECONDS = 4


def problem(*, port: int, seconds: float) -> str | None:
    """Say why the server on `port` of this machine is not ready, or None if it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"/health/ready answered {status}"


if __name__ == "__main__":
    sys.exit(problem(port=PORT, seconds=SECONDS))
