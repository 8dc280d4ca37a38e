-- Places an order in each request.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"product_name":"Widget","amount":"99.99"}'
