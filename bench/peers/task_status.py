"""task-status as the old back end is built: Flask, PyJWT, here with PyMySQL and a
connection kept per worker. Run by gunicorn."""
import json
import os

import jwt
import pymysql
from flask import Flask, jsonify, request

app = Flask(__name__)
SQL = (
    "SELECT u.disabled_at IS NOT NULL, t.id, t.status, t.prompt, t.repo_url,"
    " t.target_branch, t.agent, t.commit_hash, t.changed_files, t.error,"
    " t.created_at, t.project_id FROM users u LEFT JOIN tasks t"
    " ON t.id = %s AND t.user_id = u.id WHERE u.id = %s"
)
_db = None


def database():
    global _db
    if _db is None:
        _db = pymysql.connect(
            unix_socket=os.environ["BENCH_DB_SOCKET"],
            user=os.environ["BENCH_DB_USER"],
            database=os.environ["BENCH_DB_NAME"],
            autocommit=True,
        )
    return _db


@app.get("/flask/task-status/<int:task_id>")
def task_status(task_id):
    words = request.headers.get("Authorization", "").split(" ")
    if len(words) != 2 or words[0].lower() != "bearer":
        return jsonify(error="Invalid authorization header format"), 401
    try:
        claims = jwt.decode(words[1], os.environ["BENCH_JWT_SECRET"], algorithms=["HS256"])
    except jwt.InvalidTokenError as problem:
        return jsonify(error=str(problem)), 401
    if claims.get("type") != "access":
        return jsonify(error="Invalid token type. Expected access"), 401
    with database().cursor() as cursor:
        cursor.execute(SQL, (task_id, claims["user_id"]))
        row = cursor.fetchone()
    if row is None or row[0]:
        return jsonify(error="User not found"), 401
    if row[1] is None:
        return jsonify(error="Task not found"), 404
    return jsonify(
        status="success",
        task={
            "id": row[1],
            "status": row[2],
            "prompt": row[3],
            "repo_url": row[4],
            "branch": row[5],
            "model": row[6],
            "commit_hash": row[7],
            "changed_files": json.loads(row[8] or "[]"),
            "error": row[9],
            "created_at": row[10].isoformat() + "+00:00",
            "project_id": row[11],
        },
    )
