-- The submission for wrk, which checks no reply.
wrk.method = "POST"
wrk.body = '{"procedure":"2.000815","province":"01","commune":"00004","applicant":{"SoDinhDanh":"001085012345","HoVaTen":"Nguyễn Văn A"},"form":{"SoBan":1,"GhiChu":"Nộp trực tuyến"}}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Idempotency-Key"] = "b-1-submit"
